// Package mxhttp reads requests and writes responses of the Matrix APIs (client-server API, "API Standards"): JSON in,
// JSON out, errors in the standard form, sizes bounded. Every role's handlers use it.
package mxhttp

import (
	"net/http"
)

// A HandlerFunc answers a request or returns why it cannot. What it returns is written by [WriteError]; it must not
// have written anything itself then.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP calls f.
func (f HandlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f(w, r); err != nil {
		WriteError(w, r, err)
	}
}
