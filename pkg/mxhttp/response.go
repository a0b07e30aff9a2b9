package mxhttp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// Empty is the body of an answer that says no more than its status.
type Empty struct{}

// WriteJSON answers with v as JSON. v must marshal: if it does not, that is a defect, logged and answered with 500.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		slog.Error("marshal a response", "error", err)
		status = http.StatusInternalServerError
		body, _ = json.Marshal(mxerr.Internal(err))
	}
	WriteRaw(w, status, body)
}

// WriteRaw answers with a body that is JSON already.
func WriteRaw(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone: nobody is left to tell
}

// WriteError answers with err: an [mxerr.Error] as it is; what comes of a database that is away, or too slow, as 503
// M_UNKNOWN with a hint to come again; anything else as 500 M_UNKNOWN. Neither text gives anything away. This is where errors of the server, 5xx, are logged, once. A client that has gone away is no error.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	api := mxerr.As(err)
	switch {
	case api != nil:
	case isOutage(err):
		api = mxerr.Unavailable(2*time.Second, "The server cannot answer at the moment").WithCause(err)
	default:
		api = mxerr.Internal(err)
	}
	if api.Status() >= http.StatusInternalServerError {
		level := slog.LevelError
		if api.Status() == http.StatusServiceUnavailable {
			level = slog.LevelWarn // what is missing has been or will be reported by who misses it
		}
		if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			level = slog.LevelDebug
		}
		// The pattern, not the path: paths hold ids of rooms and users, and never a query, which may hold a token.
		slog.Log(r.Context(), level, "request failed", "method", r.Method, "route", r.Pattern, "status", api.Status(),
			"error", err)
	}
	if api.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(api.RetryAfterSeconds(), 10))
	}
	WriteJSON(w, api.Status(), api)
}

// isOutage reports whether err says that something this server needs is away or overloaded, rather than that something
// is wrong.
func isOutage(err error) bool {
	if errors.As(err, new(*net.OpError)) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var server interface{ SQLState() string } // of Postgres
	if !errors.As(err, &server) {
		return false
	}
	state := server.SQLState()
	// Connection exceptions, insufficient resources, and an operator's intervention such as a restart.
	return strings.HasPrefix(state, "08") || strings.HasPrefix(state, "53") || strings.HasPrefix(state, "57P")
}
