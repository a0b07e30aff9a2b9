package sync

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/position"
)

// startLimit bounds how long a request waits for a worker that has just started to learn P.
const startLimit = 5 * time.Second

func (s *Sync) serve(w http.ResponseWriter, r *http.Request) error {
	who, ok := internalauth.IdentityFrom(r.Context())
	if !ok || who.UserID == "" {
		return mxerr.MissingToken()
	}
	p := s.polls.begin(device{who.UserID, who.DeviceID}, who.TokenHash)
	defer s.polls.end(p)
	body, err := s.answer(r, who, p)
	if p.isRevoked() { // also when there was something to tell
		err = mxerr.UnknownToken(false)
	}
	if err != nil {
		metricRequests.WithLabelValues("error").Inc()
		return err
	}
	if body.isEmpty() {
		metricRequests.WithLabelValues("empty").Inc()
	} else {
		metricRequests.WithLabelValues("news").Inc()
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	mxhttp.WriteRaw(w, http.StatusOK, buf.Bytes())
	return nil
}

func (s *Sync) answer(r *http.Request, who internalauth.Identity, p *poll) (*response, error) {
	ctx := r.Context()
	defer s.cfg.Follower.Attend()()
	if err := s.started(ctx); err != nil {
		return nil, err
	}
	u := s.users.hold(who.UserID, func() position.Position { p, _ := s.at(); return p })
	defer s.users.letGo(u)
	q := &request{who: who, user: u}
	if err := s.parse(r, q); err != nil {
		return nil, err
	}
	timer := time.NewTimer(q.timeout)
	defer timer.Stop()

	if reached, err := s.reach(ctx, q, p, timer.C); err != nil || !reached {
		return emptyResponse(q.since), err
	}
	for last := q.timeout == 0; ; {
		news := u.news() // before the look: what comes after it is not missed
		body, err := s.compute(ctx, q)
		if err != nil || last || q.initial || q.fullState || !body.isEmpty() {
			return body, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-news:
		case <-timer.C:
			last = true // one more look moves the token up to the present
		case <-p.superseded:
			return emptyResponse(q.since), nil
		case <-s.draining:
			return emptyResponse(q.since), nil
		case <-p.revoked:
			return nil, mxerr.UnknownToken(false)
		}
	}
}

// promptLimit bounds how long a request waits for a worker that served nobody to come to know the newest P: no longer than
// P may be behind there.
const promptLimit = 250 * time.Millisecond

// started waits until P is known, and as new as it is elsewhere.
func (s *Sync) started(ctx context.Context) error {
	starting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := s.await(starting, 0); err != nil {
		return mxerr.Unavailable(time.Second, "This worker is not ready").WithCause(err)
	}
	if !s.cfg.Follower.Prompt() {
		ctx, cancel := context.WithTimeout(ctx, promptLimit)
		defer cancel()
		s.cfg.Follower.AwaitPrompt(ctx)
	}
	return nil
}

// errDraining says that this worker is about to go.
var errDraining = errors.New("the worker is draining")

// await returns when p was applied.
func (s *Sync) await(ctx context.Context, p position.Position) error {
	for {
		at, moved := s.at()
		if at >= p {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.draining:
			return errDraining
		case <-moved:
		}
	}
}

// doubtAfter is how long a token may be ahead of P before it is looked into: that of another worker is, by little.
const doubtAfter = time.Second

// reach waits for P to come to a token that is ahead of it, as one from another worker may be; false if it does not in
// time. A token of a history that was lost and is not known here at all makes the request an initial one.
func (s *Sync) reach(ctx context.Context, q *request, p *poll, timeout <-chan time.Time) (bool, error) {
	if at, _ := s.at(); at >= q.since {
		return true, nil
	}
	doubt := time.NewTimer(doubtAfter)
	defer doubt.Stop()
	for {
		at, moved := s.at()
		if at >= q.since {
			return true, nil
		}
		late := false
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-moved:
			continue
		case <-timeout:
			late = true
		case <-doubt.C:
		case <-p.superseded:
			return false, nil
		case <-s.draining:
			return false, nil
		case <-p.revoked:
			return false, mxerr.UnknownToken(false)
		}
		foreign, err := s.isForeign(ctx, q.since)
		if err != nil {
			return false, mxerr.Unavailable(time.Second, "The token cannot be looked into at the moment").WithCause(err)
		}
		if foreign {
			q.initial, q.since = true, 0
			return true, nil
		}
		if late {
			return false, nil
		}
	}
}

// isForeign reports whether no block as high as the token's was ever drawn here. A token ends with a block that was
// committed, and the sequence is never behind what was, also after a crash.
func (s *Sync) isForeign(ctx context.Context, token position.Position) (bool, error) {
	var last int64
	if err := s.cfg.Pool.QueryRow(ctx, `SELECT last_value FROM stream_seq`).Scan(&last); err != nil {
		return false, fmt.Errorf("read the sequence: %w", err)
	}
	return token.Block() > last, nil
}
