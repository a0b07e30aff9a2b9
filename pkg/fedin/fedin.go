// Package fedin is the role "federation-inbound": what other homeservers ask of this one. So far it says what server
// this is and by which keys it signs, and as a notary by which keys others sign.
package fedin

import (
	"context"
	"net/http"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// Options of [New].
type Options struct {
	Keys   Keys
	Notary Notary
	// Version is the version of Myelin, for GET /_matrix/federation/v1/version.
	Version string
}

// Keys gives the signed answer about this server's own keys; *keyring.Own does.
type Keys interface {
	ServerKeys(context.Context) ([]byte, error)
}

// Notary gives what a server said about its keys, signed by this one too; *keyring.Verifier does. wanted are key ids,
// the empty one for all, each with the time until which the key should be valid, in milliseconds since 1970, or 0.
type Notary interface {
	Notarize(ctx context.Context, server id.ServerName, wanted map[string]int64) ([][]byte, error)
}

// API answers requests of other servers. It is safe for concurrent use.
type API struct {
	keys    Keys
	notary  Notary
	version string
}

// New returns an API. It does nothing by itself.
func New(o Options) *API { return &API{keys: o.Keys, notary: o.Notary, version: o.Version} }

// Run returns when ctx ends: this role does nothing between requests.
func (a *API) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

const (
	pathVersion = "/_matrix/federation/v1/version"
	pathKeys    = "/_matrix/key/v2/server"
	pathQuery   = "/_matrix/key/v2/query"
	pathQuery1  = "/_matrix/key/v2/query/{serverName}"
)

// Routes returns the patterns, "METHOD /path", that [API.Handler] serves.
func Routes() []string {
	return []string{"GET " + pathVersion, "GET " + pathKeys, "POST " + pathQuery, "GET " + pathQuery1}
}

// Handler serves the routes of [Routes]. None of them needs an identity.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+pathVersion, mxhttp.HandlerFunc(a.serverVersion))
	mux.Handle("GET "+pathKeys, mxhttp.HandlerFunc(a.serverKeys))
	mux.Handle("POST "+pathQuery, mxhttp.HandlerFunc(a.queryKeys))
	mux.Handle("GET "+pathQuery1, mxhttp.HandlerFunc(a.queryServerKeys))
	for _, path := range []string{pathVersion, pathKeys, pathQuery, pathQuery1} {
		mux.Handle(path, mxhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			return mxerr.MethodNotAllowed()
		}))
	}
	mux.Handle("/", mxhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return mxerr.Unrecognized() }))
	return mux
}

// serverVersion names the software (server-server API, GET /version).
func (a *API) serverVersion(w http.ResponseWriter, _ *http.Request) error {
	mxhttp.WriteJSON(w, http.StatusOK, map[string]any{
		"server": map[string]string{"name": "Myelin", "version": a.version},
	})
	return nil
}
