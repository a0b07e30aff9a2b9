package route

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/shard"
)

const (
	// giveUp is how long a request is tried again.
	giveUp = 25 * time.Second
	// answerLimit is how long the owner of a room has for its answer.
	answerLimit = 30 * time.Second
	// The pause between two attempts grows from the one to the other.
	minPause, maxPause = 5 * time.Millisecond, 100 * time.Millisecond
	// retryAfter is what a client is told to wait.
	retryAfter = 2 * time.Second
)

// A Request is a client's request, whole, so that it can be sent more than once.
type Request struct {
	Method     string
	URI        string // path and query, as in the request line
	Host       string
	RemoteAddr string
	Header     http.Header
	Body       []byte

	// Role that serves it.
	Role string
	// Room, if set, sends the request to the room's owner; Role must be RolePersister then.
	Room id.RoomID
	// User, if set, sends it to the worker that serves the user's shard.
	User id.UserID
}

// Options of a Forwarder.
type Options struct {
	// Sign authenticates a request to another worker with the identity in r's context.
	Sign func(r *http.Request, body []byte)
	// Local are handlers of this process, by role.
	Local map[string]http.Handler
	// Transport to other workers; nil means NewTransport().
	Transport http.RoundTripper
}

// A Forwarder forwards requests to workers. It needs Run.
type Forwarder struct {
	dir    Directory
	sign   func(*http.Request, []byte)
	client http.RoundTripper

	mu     sync.RWMutex
	locals map[string]http.Handler

	parking parking
	pending pending
	truth   truth
}

// New makes a Forwarder.
func New(dir Directory, o Options) *Forwarder {
	f := &Forwarder{dir: dir, sign: o.Sign, client: o.Transport, locals: o.Local, truth: truth{dir: dir}}
	if f.client == nil {
		f.client = NewTransport()
	}
	return f
}

// SetLocal names the handler of this process for a role, before requests come.
func (f *Forwarder) SetLocal(role string, h http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locals == nil {
		f.locals = make(map[string]http.Handler)
	}
	f.locals[role] = h
}

func (f *Forwarder) local(role string) http.Handler {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.locals[role]
}

// Forward has q answered to w. If it returns an error, nothing has been written, and it is an *mxerr.Error to answer
// with, unless the client has gone or its answer broke off: then it panics with http.ErrAbortHandler.
func (f *Forwarder) Forward(ctx context.Context, q *Request, w http.ResponseWriter) error {
	err := f.forward(ctx, q, w)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errBroken), ctx.Err() != nil:
		panic(http.ErrAbortHandler)
	case mxerr.As(err) != nil:
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable("The server did not answer in time")
	default:
		return mxerr.Internal(err)
	}
}

// Call is Forward for a caller that wants the answer, of at most limit bytes.
func (f *Forwarder) Call(ctx context.Context, q *Request, limit int) (*Response, error) {
	rec := &recorder{header: make(http.Header), limit: limit}
	if err := f.forward(ctx, q, rec); err != nil {
		return nil, err
	}
	return &Response{Status: rec.status, Header: rec.header, Body: rec.body.Bytes()}, nil
}

func (f *Forwarder) forward(ctx context.Context, q *Request, w http.ResponseWriter) error {
	if q.Room != "" {
		return f.toOwner(ctx, q, w)
	}
	return f.toRole(ctx, q, w)
}

func unavailable(why string) error { return mxerr.Unavailable(retryAfter, "%s", why) }

// toOwner sends q to the owner of its room.
func (f *Forwarder) toOwner(ctx context.Context, q *Request, w http.ResponseWriter) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	start, pause, hops := time.Now(), minPause, 0
	var told hint
	parked := -1
	defer func() {
		if parked >= 0 {
			f.parking.leave(parked, len(q.Body))
		}
	}()
	for {
		changed := f.dir.Changed()
		place := f.dir.Room(q.Room)
		to, epoch := place.Owner, place.Epoch
		if told.epoch > place.Epoch {
			to, epoch = told.owner, told.epoch
		} else {
			told = hint{}
		}
		if to.ID != 0 {
			v, h, err := f.attempt(ctx, to, epoch, q, w)
			if v == answered || v == failed {
				return err
			}
			metricRetries.WithLabelValues(v.String()).Inc()
			if v == moved && h.epoch > max(place.Epoch, told.epoch) && hops < 4 {
				told = hint{f.known(h.owner), h.epoch}
				hops++
				f.dir.Outdated() // or each request until the next heartbeat would take this way round
				continue
			}
			told = hint{}
		}
		hops = 0

		// Nobody serves the shard as far as this worker knows. Wait for news, or for the pause to pass.
		if time.Since(start) > giveUp {
			return unavailable("The room is not available at the moment")
		}
		if parked < 0 {
			if !f.parking.enter(place.Shard, len(q.Body)) {
				return mxerr.LimitExceeded(retryAfter)
			}
			parked = place.Shard
		}
		if err := wait(ctx, changed, pause); err != nil {
			return err
		}
		pause = min(2*pause, maxPause)
		// Leases outlive their owners: without a live persister nobody will take them. One that leaves still serves.
		if f.truth.nobody(ctx, RolePersister) && f.dir.Room(q.Room).Owner.ID == 0 {
			return unavailable("No event persister is available at the moment")
		}
	}
}

// known adds what the directory knows of an event persister.
func (f *Forwarder) known(w Worker) Worker {
	for _, p := range f.dir.Role(RolePersister) {
		if p.ID == w.ID {
			return p
		}
	}
	return w
}

// toRole sends q to a worker with its role.
func (f *Forwarder) toRole(ctx context.Context, q *Request, w http.ResponseWriter) error {
	start, pause := time.Now(), minPause
	var broke, tried []int64
	parked := false
	defer func() {
		if parked {
			f.parking.leave(noShard, len(q.Body))
		}
	}()
	for {
		changed := f.dir.Changed()
		workers := f.dir.Role(q.Role)
		to, ok := f.choose(q, workers, tried)
		if ok {
			v, _, err := f.attempt(ctx, to, 0, q, w)
			if v == answered || v == failed {
				return err
			}
			metricRetries.WithLabelValues(v.String()).Inc()
			// A connection may have broken for reasons of its own: once more on a new one.
			if v == lost && f.dir.Alive(to.ID) && !slices.Contains(broke, to.ID) {
				broke = append(broke, to.ID)
			} else {
				tried = append(tried, to.ID)
			}
			continue
		}
		if time.Since(start) > giveUp {
			return unavailable("The server is not available at the moment")
		}
		if f.truth.nobody(ctx, q.Role) {
			// While this worker leaves nobody lists it, but it can still serve what nobody else can.
			if local := f.local(q.Role); local != nil {
				if v, _, err := f.serve(ctx, local, q, w); v == answered || v == failed {
					return err
				}
			}
			return unavailable("No worker for this is available at the moment")
		}
		if !parked && !f.parking.enter(noShard, len(q.Body)) {
			return mxerr.LimitExceeded(retryAfter)
		}
		parked = true
		if err := wait(ctx, changed, pause); err != nil {
			return err
		}
		pause = min(2*pause, maxPause)
		tried = tried[:0]
	}
}

// choose picks a worker that was not tried yet.
func (f *Forwarder) choose(q *Request, workers []Worker, tried []int64) (Worker, bool) {
	workers = slices.DeleteFunc(slices.Clone(workers), func(w Worker) bool { return slices.Contains(tried, w.ID) })
	if len(workers) == 0 {
		return Worker{}, false
	}
	if q.User == "" {
		for _, w := range workers {
			if w.ID == f.dir.Self() && f.local(q.Role) != nil {
				return w, true
			}
		}
		return workers[rand.IntN(len(workers))], true
	}
	ids := make([]int64, len(workers))
	for i, w := range workers {
		ids[i] = w.ID
	}
	best, _ := shard.Pick(strconv.Itoa(shard.UserShard(q.User)), ids)
	return workers[slices.Index(ids, best)], true
}

// wait returns after the pause, give or take a quarter, or when changed is closed.
func wait(ctx context.Context, changed <-chan struct{}, pause time.Duration) error {
	timer := time.NewTimer(pause*3/4 + rand.N(pause/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-timer.C:
	}
	return nil
}
