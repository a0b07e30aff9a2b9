package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/gateway"
	"github.com/myelin-hs/myelin/pkg/horizon"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/route"
)

// world is what a gateway needs, in memory.
type world struct {
	tokens   map[auth.Secret]auth.Identity
	asked    int
	askError error
	during   func() // called while the database is asked

	stale     bool
	attending int
	listener  func(horizon.Advance)

	requests []*route.Request
	who      internalauth.Identity
}

func (w *world) Resolve(_ context.Context, token auth.Secret) (auth.Identity, error) {
	w.asked++
	if w.askError != nil {
		return auth.Identity{}, w.askError
	}
	who, ok := w.tokens[token]
	if w.during != nil {
		w.during()
	}
	if !ok {
		return auth.Identity{}, mxerr.UnknownToken(false)
	}
	return who, nil
}

func (w *world) Prompt() bool                        { return !w.stale && w.attending > 0 }
func (w *world) Attend() (leave func())              { w.attending++; return func() { w.attending-- } }
func (w *world) OnAdvance(f func(a horizon.Advance)) { w.listener = f }

func (w *world) Forward(ctx context.Context, q *route.Request, rw http.ResponseWriter) error {
	w.requests = append(w.requests, q)
	w.who, _ = internalauth.IdentityFrom(ctx)
	rw.Header().Set("X-Myelin-Worker", "7")
	_, err := io.WriteString(rw, "{}")
	return err
}

func (w *world) revoke(token auth.Secret) {
	delete(w.tokens, token)
	w.listener(horizon.Advance{Blocks: []bus.BlockIndex{{Revoked: [][]byte{auth.HashToken(token)}}}})
}

const alice = auth.Secret("alice's")

func build() (*world, http.Handler, *gateway.Gateway) {
	w := &world{tokens: map[auth.Secret]auth.Identity{alice: {UserID: "@alice:a.example", DeviceID: "D"}}}
	g := gateway.New(gateway.Options{Resolver: w, Horizon: w, Forwarder: w})
	return w, g.Handler(), g
}

func do(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var bearer = []string{"Authorization", "Bearer " + string(alice)}

func TestRequestsPassThroughAsTheyCame(t *testing.T) {
	t.Parallel()
	w, h, _ := build()
	const uri = "/_matrix/client/v3/rooms/%21a%2Fb:c/state/m.x/k%20y?q=%2F"
	resp := do(h, "PUT", uri, `{"a": 1}`, append(bearer, "X-Myelin-Auth", "forged", "X-Myelin-To", "7")...)
	require.Equal(t, 200, resp.Code)
	require.Empty(t, resp.Header().Get("X-Myelin-Worker"))
	q := w.requests[0]
	require.Equal(t, uri, q.URI)
	require.Equal(t, `{"a": 1}`, string(q.Body))
	require.Equal(t, "persister", q.Role)
	require.EqualValues(t, "!a/b:c", q.Room)
	for name := range q.Header {
		require.NotContains(t, []string{"Authorization", "X-Myelin-Auth", "X-Myelin-To"}, name)
	}
	require.EqualValues(t, "@alice:a.example", w.who.UserID)
	first := w.who.RequestID
	require.NotEmpty(t, first)
	do(h, "PUT", uri, `{}`, bearer...)
	require.NotEqual(t, first, w.who.RequestID)
}

func TestSyncGoesByUserAndTheQueryTokenDoesNotTravel(t *testing.T) {
	t.Parallel()
	w, h, _ := build()
	require.Equal(t, 200, do(h, "GET", "/_matrix/client/r0/sync?access_token=alice%27s&since=s1", "").Code)
	require.Equal(t, "/_matrix/client/r0/sync?since=s1", w.requests[0].URI)
	require.EqualValues(t, "@alice:a.example", w.requests[0].User)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, target, body string
		header               []string
		status               int
		code                 string
	}{
		"no token":         {"GET", "/_matrix/client/v3/sync", "", nil, 401, "M_MISSING_TOKEN"},
		"unknown token":    {"GET", "/_matrix/client/v3/sync", "", []string{"Authorization", "Bearer x"}, 401, "M_UNKNOWN_TOKEN"},
		"unknown path":     {"GET", "/_matrix/client/v3/nothing", "", bearer, 404, "M_UNRECOGNIZED"},
		"internal path":    {"POST", "/_myelin/internal/v1/createRoom", "", bearer, 404, "M_UNRECOGNIZED"},
		"admin path":       {"GET", "/_myelin/admin/v1/status", "", bearer, 404, "M_UNRECOGNIZED"},
		"unclean path":     {"GET", "/_matrix/client/v3/../v3/sync", "", bearer, 404, "M_UNRECOGNIZED"},
		"doubled slash":    {"GET", "/_matrix/client/v3//sync", "", bearer, 404, "M_UNRECOGNIZED"},
		"unknown method":   {"DELETE", "/_matrix/client/v3/sync", "", bearer, 405, "M_UNRECOGNIZED"},
		"too large a body": {"PUT", "/_matrix/client/v3/rooms/!a:b/send/m.x/1", strings.Repeat("x", 65<<10), bearer, 413, "M_TOO_LARGE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, h, _ := build()
			resp := do(h, c.method, c.target, c.body, c.header...)
			require.Equal(t, c.status, resp.Code)
			require.Contains(t, resp.Body.String(), `"`+c.code+`"`)
			require.Equal(t, "*", resp.Header().Get("Access-Control-Allow-Origin"), "a web client must be able to read the error")
			require.Empty(t, w.requests)
		})
	}
}

func TestPreflightNeedsNoToken(t *testing.T) {
	t.Parallel()
	_, h, _ := build()
	resp := do(h, "OPTIONS", "/_matrix/client/v3/sync", "")
	require.Equal(t, 204, resp.Code)
	require.Contains(t, resp.Header().Get("Access-Control-Allow-Headers"), "Authorization")
}

const whoami = "/_matrix/client/v3/account/whoami"

func TestACachedTokenCountsOnlyWhileTheHorizonIsFresh(t *testing.T) {
	t.Parallel()
	w, h, _ := build()
	for range 3 {
		require.Equal(t, 200, do(h, "GET", whoami, "", bearer...).Code)
	}
	require.Equal(t, 1, w.asked)
	w.stale = true
	delete(w.tokens, alice) // revoked, and we did not hear of it
	require.Equal(t, 401, do(h, "GET", whoami, "", bearer...).Code)
	require.Zero(t, w.attending, "only while a token is looked at")
}

func TestARevokedTokenIsForgotten(t *testing.T) {
	t.Parallel()
	w, h, _ := build()
	require.Equal(t, 200, do(h, "GET", whoami, "", bearer...).Code)
	w.revoke(alice)
	require.Equal(t, 401, do(h, "GET", whoami, "", bearer...).Code)
}

// Who has logged out, and asks again before the horizon has told of it, is asked of the database.
func TestATokenIsForgottenWithTheAnswerToItsLogout(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/logout", "/logout/all"} {
		w, h, _ := build()
		require.Equal(t, 200, do(h, "GET", "/_matrix/client/v3/account/whoami", "", bearer...).Code)
		require.Equal(t, 200, do(h, "POST", "/_matrix/client/v3"+path, "", bearer...).Code)
		delete(w.tokens, alice)
		require.Equal(t, 401, do(h, "GET", "/_matrix/client/v3/account/whoami", "", bearer...).Code, path)
	}
}

func TestATokenRevokedWhileTheDatabaseIsAskedIsNotCached(t *testing.T) {
	t.Parallel()
	w, h, _ := build()
	w.during = func() { w.during = nil; w.revoke(alice) }
	do(h, "GET", whoami, "", bearer...) // began before the revocation: either answer is right
	require.Equal(t, 401, do(h, "GET", whoami, "", bearer...).Code)
}

func TestAResetForgetsAllTokens(t *testing.T) {
	t.Parallel()
	for name, reset := range map[string]func(*world, *gateway.Gateway){
		"heard with the horizon":      func(w *world, _ *gateway.Gateway) { w.listener(horizon.Advance{Reset: true}) },
		"told by whoever noticed":     func(_ *world, g *gateway.Gateway) { g.Reset() },
		"while the database is asked": func(w *world, g *gateway.Gateway) { g.Reset(); w.during = g.Reset },
	} {
		w, h, g := build()
		do(h, "GET", whoami, "", bearer...)
		reset(w, g)
		if w.during != nil {
			do(h, "GET", whoami, "", bearer...)
			w.during = nil
		}
		delete(w.tokens, alice)
		require.Equal(t, 401, do(h, "GET", whoami, "", bearer...).Code, name)
	}
}

func TestWithoutDatabaseATokenIsNotCalledUnknown(t *testing.T) {
	t.Parallel()
	w, h, _ := build()
	w.askError = errors.New("connection refused")
	resp := do(h, "GET", whoami, "", bearer...)
	require.Equal(t, 503, resp.Code)
	require.NotEmpty(t, resp.Header().Get("Retry-After"))
	require.NotContains(t, resp.Body.String(), "refused")
}

func TestDrainClosesConnectionsAfterTheirAnswer(t *testing.T) {
	t.Parallel()
	w := &world{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := gateway.New(gateway.Options{Resolver: w, Horizon: w, Forwarder: w, Listener: l})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	url := "http://" + l.Addr().String() + "/_matrix/client/versions"
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}
	get := func() *http.Response {
		resp, err := client.Get(url)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		require.NoError(t, resp.Body.Close())
		return resp
	}
	require.False(t, get().Close)
	g.Drain()
	resp := get()
	require.Equal(t, 200, resp.StatusCode)
	require.True(t, resp.Close)
	stop()
	require.NoError(t, <-done)
}

func TestEveryRouteHasARole(t *testing.T) {
	t.Parallel()
	routes := gateway.Routes()
	require.Equal(t, "sync", routes["GET /_matrix/client/v3/sync"])
	require.Equal(t, "persister", routes["PUT /_matrix/client/r0/rooms/{roomId}/send/{eventType}/{txnId}"])
	for pattern, role := range routes {
		require.NotEmpty(t, role, pattern)
	}
}
