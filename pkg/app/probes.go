package app

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/myelin-hs/myelin/pkg/telemetry"
)

// silenceLimit is how long a worker stays ready without an answer of the database. Others have long taken over from it
// then; but while all wait for the database, as in a failover, requests are better parked by a gateway than turned away
// by a load balancer.
const silenceLimit = 10 * time.Second

// readiness is what /ready answers.
type readiness struct {
	why     atomic.Pointer[string]               // "" when ready, else why not; nil: starting
	silence atomic.Pointer[func() time.Duration] // how long the database has been silent
}

func (r *readiness) set(why string) { r.why.Store(&why) }

// watch makes readiness depend on the database's answers.
func (r *readiness) watch(silence func() time.Duration) { r.silence.Store(&silence) }

// obstacle is why the worker is not ready, "" if it is.
func (r *readiness) obstacle() string {
	why := r.why.Load()
	if why == nil {
		return "starting"
	}
	if silence := r.silence.Load(); *why == "" && silence != nil {
		if s := (*silence)(); s > silenceLimit {
			return fmt.Sprintf("no heartbeat was answered for %v", s.Round(time.Second))
		}
	}
	return *why
}

// probes serves the kubelet and Prometheus, without authentication: it tells nothing that is secret.
func probes(ready *readiness) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if why := ready.obstacle(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", telemetry.Handler())
	return mux
}

// profiles serves what `go tool pprof` asks for.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
