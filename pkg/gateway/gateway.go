package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/route"
)

const (
	// maxInFlight bounds the requests in progress, long polls included.
	maxInFlight = 20_000
	// headerTimeout and bodyTimeout bound how slowly a client may send.
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
	// shutdownLimit is how long requests in progress, long polls too, have to end when the listener closes.
	shutdownLimit = 35 * time.Second
)

// A Forwarder brings a request to the worker that serves it, as *route.Forwarder does.
type Forwarder interface {
	Forward(ctx context.Context, q *route.Request, w http.ResponseWriter) error
}

// Options of [New]. All are required.
type Options struct {
	Resolver  Resolver
	Horizon   Horizon
	Forwarder Forwarder
	// Listener is where the public connects; [Gateway.Run] closes it.
	Listener net.Listener
}

// A Gateway serves the public.
type Gateway struct {
	tokens    *tokens
	forwarder Forwarder
	listener  net.Listener
	inFlight  atomic.Int64
	draining  atomic.Bool
}

// New makes a Gateway, before the Horizon runs.
func New(o Options) *Gateway {
	return &Gateway{tokens: newTokens(o.Resolver, o.Horizon), forwarder: o.Forwarder, listener: o.Listener}
}

// Drain makes clients go elsewhere: from now on each connection is closed after its next answer. Requests are served as
// before.
func (g *Gateway) Drain() { g.draining.Store(true) }

// Reset forgets who the tokens belong to: the database's newest past is gone, so what was read from it may not hold.
func (g *Gateway) Reset() { g.tokens.reset() }

// Run serves the listener until ctx ends; then it lets requests in progress end, for at most 35 s.
func (g *Gateway) Run(ctx context.Context) error {
	server := &http.Server{
		Handler:           g.Handler(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(g.listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve the public: %w", err)
	case <-ctx.Done():
	}
	g.Drain()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close()
	}
	<-ended
	return nil
}

// Handler is what the listener serves.
func (g *Gateway) Handler() http.Handler {
	matrix := cors(newMux(g.serve))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		if g.inFlight.Add(1) > maxInFlight {
			g.inFlight.Add(-1)
			mxhttp.WriteError(w, r, mxerr.LimitExceeded(time.Second))
			return
		}
		metricInFlight.Inc()
		defer func() { g.inFlight.Add(-1); metricInFlight.Dec() }()
		if r.URL.Path == "/health" {
			_, _ = io.WriteString(w, "OK\n")
			return
		}
		began, out := time.Now(), &outside{ResponseWriter: w}
		matrix.ServeHTTP(out, r)
		metricSeconds.WithLabelValues(role(out.role), statusClass(out.status)).Observe(time.Since(began).Seconds())
	})
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, e endpoint) error {
	if out, ok := w.(*outside); ok {
		out.role = e.role
	}
	internalauth.Strip(r.Header)
	token := tokenOf(r)
	who := internalauth.Identity{RequestID: rand.Text()}
	if e.access == needsToken {
		known, err := g.tokens.resolve(r.Context(), token)
		if err != nil {
			return err
		}
		who.UserID, who.DeviceID, who.TokenHash = known.UserID, known.DeviceID, known.TokenHash
	}
	body, err := readBody(w, r, e.maxBody)
	if err != nil {
		return err
	}
	q := &route.Request{
		Method: r.Method, URI: r.URL.RequestURI(), Host: r.Host, RemoteAddr: r.RemoteAddr, Header: r.Header, Body: body, Role: e.role,
	}
	switch e.affinity {
	case toRoom:
		q.Room = id.RoomID(r.PathValue("roomId"))
	case toUser:
		q.User = who.UserID
	}
	err = g.forwarder.Forward(internalauth.WithIdentity(r.Context(), who), q, w)
	if e.endsSession {
		g.tokens.forget(token) // the answer leaves when this has returned
	}
	return err
}

// readBody reads a body of at most limit bytes within bodyTimeout.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close") // nobody wants to read the rest
		return nil, mxerr.TooLarge("The body is larger than %d bytes", limit)
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, mxerr.TooLarge("The body is larger than %d bytes", limit)
	case err != nil:
		return nil, mxerr.NotJSON("The body could not be read").WithCause(err)
	}
	_ = control.SetReadDeadline(time.Time{})
	return body, nil
}

// outside keeps what workers say to each other from the public, and what the metrics want.
type outside struct {
	http.ResponseWriter
	role   string
	status int
}

func (o *outside) WriteHeader(status int) {
	if o.status == 0 {
		o.status = status
		internalauth.Strip(o.Header())
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *outside) Write(b []byte) (int, error) {
	if o.status == 0 {
		o.WriteHeader(http.StatusOK)
	}
	return o.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (o *outside) Unwrap() http.ResponseWriter { return o.ResponseWriter }
