package internalauth

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
)

// RefusedHeader marks a 401 that means "this worker does not believe that one", so that it is not taken for an answer
// to the client, who would log out.
const RefusedHeader = "X-Myelin-Refused"

// Handler verifies requests, whose bodies it reads whole, and passes them on with the identity in their context. A body
// of more than maxBody bytes is answered 413, a request that cannot be verified 401 with [RefusedHeader].
func (v *Verifier) Handler(next http.Handler, maxBody int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Do not read megabytes from someone who does not even have a header.
		if r.Header.Get(Header) == "" {
			v.refuse(w, r, ErrRefused)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "the body cannot be read, or is too large", http.StatusRequestEntityTooLarge)
			return
		}
		who, err := v.Verify(r, body)
		if err != nil {
			v.refuse(w, r, err)
			return
		}
		r = r.WithContext(WithIdentity(r.Context(), who))
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func (v *Verifier) refuse(w http.ResponseWriter, r *http.Request, err error) {
	late := (*skew)(nil)
	if errors.As(err, &late) {
		w.Header().Set(clockHeader, late.clock)
	}
	if late == nil || v.mayTell() {
		slog.WarnContext(r.Context(), "internal request refused", "from", r.RemoteAddr, "error", err)
	}
	w.Header().Set(RefusedHeader, "1")
	http.Error(w, "this port is for workers of this homeserver", http.StatusUnauthorized)
}
