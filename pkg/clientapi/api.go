// Package clientapi is the role "client": all of the client-server API but the writes to rooms, which go to their
// owners, and /sync. Any worker can answer any of its requests; what it knows, it reads from Postgres.
package clientapi

import (
	"context"
	"net/http"
	"time"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/store"
)

// maxBody bounds the body of a request, in bytes, where nothing else is said.
const maxBody = 64 << 10

// Options of [New]. All are required but PublicBaseURL.
type Options struct {
	Auth       *auth.Auth
	Store      *store.Store
	ServerName id.ServerName
	// Signer signs the create events of new rooms.
	Signer event.Signer
	Rooms  RoomOwners
	// PublicBaseURL is where clients reach the homeserver, for /.well-known/matrix/client. Empty: what they used.
	PublicBaseURL string
}

// API answers requests. It is safe for concurrent use.
type API struct {
	auth    *auth.Auth
	store   *store.Store
	server  id.ServerName
	signer  event.Signer
	rooms   RoomOwners
	baseURL string
	now     func() time.Time
}

// New returns an API. It does nothing by itself.
func New(o Options) *API {
	return &API{
		auth: o.Auth, store: o.Store, server: o.ServerName, signer: o.Signer, rooms: o.Rooms, baseURL: o.PublicBaseURL,
		now: time.Now,
	}
}

// Run returns when ctx ends: this role does nothing between requests.
func (a *API) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Handler serves the routes of [Routes]. It takes the identity of the user from the request's context and expects that
// the context has one for all routes that need an access token.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	paths := map[string]bool{}
	for _, rt := range a.routes() {
		mux.Handle(rt.method+" "+rt.path, rt.handler)
		paths[rt.path] = true
	}
	for path := range paths {
		mux.Handle(path, mxhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			return mxerr.MethodNotAllowed()
		}))
	}
	mux.Handle("/", mxhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return mxerr.Unrecognized() }))
	return mux
}

// userHandler answers a request of a user who has shown an access token.
type userHandler func(w http.ResponseWriter, r *http.Request, who internalauth.Identity) error

func forUser(h userHandler) mxhttp.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		who, _ := internalauth.IdentityFrom(r.Context())
		if who.UserID == "" {
			return mxerr.MissingToken()
		}
		return h(w, r, who)
	}
}

// pathRoom returns the room id in the path. The error is 400 M_INVALID_PARAM.
func pathRoom(r *http.Request) (id.RoomID, error) {
	room, err := id.ParseRoomID(r.PathValue("roomId"))
	if err != nil {
		return "", mxerr.InvalidParam("%v", err)
	}
	return room, nil
}

// pathUser returns the user id in the path. The error is 400 M_INVALID_PARAM.
func pathUser(r *http.Request) (id.UserID, error) {
	user, err := id.ParseUserID(r.PathValue("userId"))
	if err != nil {
		return "", mxerr.InvalidParam("%v", err)
	}
	return user, nil
}

// pathSelf returns the user id in the path, which must be that of the request's user. Errors are 400 M_INVALID_PARAM
// and 403 M_FORBIDDEN.
func pathSelf(r *http.Request, who internalauth.Identity) (id.UserID, error) {
	user, err := pathUser(r)
	if err != nil {
		return "", err
	}
	if user != who.UserID {
		return "", mxerr.Forbidden("This is another user's")
	}
	return user, nil
}
