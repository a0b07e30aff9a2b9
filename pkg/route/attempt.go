package route

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// A verdict says how an attempt ended.
type verdict int

const (
	answered verdict = iota // the client has its answer
	failed                  // no use in going on; see the error
	moved                   // 421: the worker does not own the shard
	unserved                // the worker does not serve this, and did nothing
	refused                 // it could not be reached
	lost                    // the connection broke or fell silent, or the worker has gone, before a whole answer came
)

func (v verdict) String() string {
	return [...]string{"answered", "failed", "moved", "unserved", "refused", "lost"}[v]
}

// A hint names a shard's owner, from a worker that gave the shard away.
type hint struct {
	owner Worker
	epoch int64
}

// errGone is why an attempt is cancelled when its worker has left the directory, or has the shard no more.
var errGone = errors.New("the worker has gone")

// attempt sends the request to one worker, once; for a room, because it owned the shard at the epoch. The error is set
// with failed only.
func (f *Forwarder) attempt(ctx context.Context, to Worker, epoch int64, q *Request, w http.ResponseWriter) (verdict, hint, error) {
	if local := f.local(q.Role); local != nil && to.ID == f.dir.Self() {
		return f.serve(ctx, local, q, w)
	}
	ctx, watched := f.watch(ctx, to.ID, q.Room, epoch)
	defer watched.release()
	r, err := q.build(ctx)
	if err != nil {
		return failed, hint{}, mxerr.Internal(err)
	}
	pulse := rolePulse
	if q.Room != "" {
		pulse = ownerPulse
	}
	r, listener := listen(r, to, pulse, func() { f.dir.Suspect(to.ID, Silent) }, watched.cancel)
	defer listener.end()
	r.URL.Scheme, r.URL.Host = "http", to.Addr
	r.Header.Set(HeaderTo, strconv.FormatInt(to.ID, 10))
	if q.Room != "" {
		r.Header.Set(HeaderEpoch, strconv.FormatInt(epoch, 10))
	}
	f.sign(r, q.Body)
	resp, err := f.client.RoundTrip(r)
	if err != nil {
		return f.classify(ctx, to, err)
	}
	defer resp.Body.Close()
	listener.end()

	if resp.Header.Get(HeaderWorker) != strconv.FormatInt(to.ID, 10) {
		f.dir.Suspect(to.ID, OtherWorker)
		return refused, hint{}, nil
	}
	if resp.Header.Get(headerRefused) != "" {
		slog.ErrorContext(ctx, "a worker does not believe this one's requests: do they have the same credential?", "worker", to.ID, "addr", to.Addr)
		return failed, hint{}, unavailable("A worker does not accept this one's requests at the moment")
	}
	if elsewhere(resp.StatusCode, resp.Header) {
		_, _ = io.CopyN(io.Discard, &body{resp.Body, listener}, headSize) // so that the connection is kept
		v, h := where(resp.StatusCode, resp.Header)
		return v, h, nil
	}
	err = relay(w, resp, &body{resp.Body, listener}, func() {
		watched.unwatch()
		listener.allow(stallLimit)
	})
	switch {
	case err == nil:
		return answered, hint{}, nil
	case errors.Is(err, errBroken):
		return failed, hint{}, err
	default:
		return f.classify(ctx, to, err)
	}
}

// headerRefused is internalauth.RefusedHeader: the worker refused the HMAC.
const headerRefused = "X-Myelin-Refused"

// classify judges a transport error.
func (f *Forwarder) classify(ctx context.Context, to Worker, err error) (verdict, hint, error) {
	switch {
	case errors.Is(context.Cause(ctx), errGone):
		return lost, hint{}, nil
	case errors.Is(context.Cause(ctx), errSilent):
		if t, ok := f.client.(interface{ CloseIdleConnections() }); ok {
			t.CloseIdleConnections() // others that lead there may be as dead; new ones cost little
		}
		return lost, hint{}, nil
	case ctx.Err() != nil:
		return failed, hint{}, ctx.Err()
	case isDialError(err):
		why := Refused
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			why = Silent
		}
		f.dir.Suspect(to.ID, why)
		return refused, hint{}, nil
	default:
		// A kept connection may have been closed for reasons of its own; if the worker is dead, the next dial tells.
		return lost, hint{}, nil
	}
}

// serve lets this process's own handler answer.
func (f *Forwarder) serve(ctx context.Context, h http.Handler, q *Request, w http.ResponseWriter) (verdict, hint, error) {
	r, err := q.build(ctx)
	if err != nil {
		return failed, hint{}, mxerr.Internal(err)
	}
	r.RequestURI = q.URI
	g := newGate(w)
	if aborted(g, h, r) {
		if g.status != 0 && !g.closed {
			return failed, hint{}, errBroken
		}
		return lost, hint{}, nil
	}
	if g.closed {
		v, h := where(g.status, g.header)
		return v, h, nil
	}
	if g.status == 0 {
		g.WriteHeader(http.StatusOK)
	}
	return answered, hint{}, nil
}

// aborted calls h and reports whether it broke the connection off, as a handler does that has no true answer.
func aborted(w http.ResponseWriter, h http.Handler, r *http.Request) (yes bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { // net/http compares it like this
			yes = true
		} else if p != nil {
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

func where(status int, header http.Header) (verdict, hint) {
	if status != http.StatusMisdirectedRequest {
		return unserved, hint{}
	}
	id, err1 := strconv.ParseInt(header.Get(HeaderOwner), 10, 64)
	epoch, err2 := strconv.ParseInt(header.Get(HeaderEpoch), 10, 64)
	addr := header.Get(HeaderOwnerAddr)
	if err1 != nil || err2 != nil || addr == "" || id == 0 {
		return moved, hint{}
	}
	return moved, hint{owner: Worker{ID: id, Addr: addr}, epoch: epoch}
}

// build makes a fresh *http.Request.
func (q *Request) build(ctx context.Context) (*http.Request, error) {
	u, err := url.ParseRequestURI(q.URI)
	if err != nil {
		return nil, err
	}
	r := (&http.Request{
		Method: q.Method, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: q.Header.Clone(), Host: q.Host, RemoteAddr: q.RemoteAddr,
		Body: http.NoBody, ContentLength: int64(len(q.Body)),
	}).WithContext(ctx)
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	for _, name := range hopHeaders {
		r.Header.Del(name)
	}
	r.Header.Del("Expect") // whoever holds the body has been told to go on; the worker would say so in the middle of a pulse
	if len(q.Body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(q.Body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.Body)), nil }
	}
	return r, nil
}
