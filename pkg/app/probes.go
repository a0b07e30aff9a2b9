package app

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/myelin-hs/myelin/pkg/telemetry"
)

// readiness is what /ready answers: nil when ready, else why not.
type readiness struct{ why atomic.Pointer[string] }

func (r *readiness) set(why string) { r.why.Store(&why) }

// probes serves the kubelet and Prometheus, without authentication: it tells nothing that is secret.
func probes(ready *readiness) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if why := ready.why.Load(); why == nil || *why != "" {
			text := "starting"
			if why != nil {
				text = *why
			}
			http.Error(w, text, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", telemetry.Handler())
	return mux
}
