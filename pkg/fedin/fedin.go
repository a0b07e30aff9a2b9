// Package fedin is the role "federation-inbound": what other homeservers ask of this one. So far it says what server
// this is and by which key it signs.
package fedin

import (
	"context"
	"net/http"
	"time"

	"github.com/myelin-hs/myelin/pkg/keyring"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

// keyValidity is for how long others may keep the key without asking again. The specification lets them keep it for
// seven days at most; a day bounds how long a key that had to be replaced is still believed.
const keyValidity = 24 * time.Hour

// Options of [New].
type Options struct {
	Key *keyring.Key
	// Version is the version of Myelin, for GET /_matrix/federation/v1/version.
	Version string
}

// API answers requests of other servers. It is safe for concurrent use.
type API struct {
	key     *keyring.Key
	version string
	now     func() time.Time
}

// New returns an API. It does nothing by itself.
func New(o Options) *API { return &API{key: o.Key, version: o.Version, now: time.Now} }

// Run returns when ctx ends: this role does nothing between requests.
func (a *API) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

const (
	pathVersion = "/_matrix/federation/v1/version"
	pathKeys    = "/_matrix/key/v2/server"
)

// Routes returns the patterns, "METHOD /path", that [API.Handler] serves.
func Routes() []string { return []string{"GET " + pathVersion, "GET " + pathKeys} }

// Handler serves the routes of [Routes]. None of them needs an identity.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+pathVersion, mxhttp.HandlerFunc(a.serverVersion))
	mux.Handle("GET "+pathKeys, mxhttp.HandlerFunc(a.serverKeys))
	for _, path := range []string{pathVersion, pathKeys} {
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

// serverKeys publishes the signing key, signed by itself (server-server API, "Publishing Keys").
func (a *API) serverKeys(w http.ResponseWriter, _ *http.Request) error {
	body, err := a.key.ServerKeys(a.now().Add(keyValidity))
	if err != nil {
		return err
	}
	mxhttp.WriteRaw(w, http.StatusOK, body)
	return nil
}
