package auth

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	a, pool, _ := newAuth(t, Registration{})
	register(t, a, "alice")
	gone := register(t, a, "gone")
	_, err := pool.Exec(t.Context(), `UPDATE account SET deactivated = true WHERE user_id = '@gone:test.example'`)
	require.NoError(t, err)

	tests := map[string]struct {
		login Login
		code  mxerr.Code // empty: it works
	}{
		"localpart":              {login: Login{User: "alice", Password: "correct horse"}},
		"localpart in capitals":  {login: Login{User: "Alice", Password: "correct horse"}},
		"user id":                {login: Login{User: "@alice:test.example", Password: "correct horse"}},
		"wrong password":         {login: Login{User: "alice", Password: "correct hors"}, code: mxerr.CodeForbidden},
		"no password":            {login: Login{User: "alice"}, code: mxerr.CodeForbidden},
		"oversized password":     {login: Login{User: "alice", Password: Secret(strings.Repeat("x", MaxPassword+1))}, code: mxerr.CodeForbidden},
		"unknown user":           {login: Login{User: "bob", Password: "correct horse"}, code: mxerr.CodeForbidden},
		"another server's user":  {login: Login{User: "@alice:other.example", Password: "correct horse"}, code: mxerr.CodeForbidden},
		"no user":                {login: Login{Password: "correct horse"}, code: mxerr.CodeForbidden},
		"NUL in the user":        {login: Login{User: "al\x00ice", Password: "correct horse"}, code: mxerr.CodeForbidden},
		"deactivated":            {login: Login{User: "gone", Password: "correct horse"}, code: mxerr.CodeUserDeactivated},
		"deactivated, wrong":     {login: Login{User: "gone", Password: "wrong"}, code: mxerr.CodeForbidden},
		"oversized device id":    {login: Login{User: "alice", Password: "correct horse", Device: NewDevice{ID: id.DeviceID(strings.Repeat("x", MaxDeviceID+1))}}, code: mxerr.CodeInvalidParam},
		"NUL in the device id":   {login: Login{User: "alice", Password: "correct horse", Device: NewDevice{ID: "\x00"}}, code: mxerr.CodeInvalidParam},
		"NUL in the device name": {login: Login{User: "alice", Password: "correct horse", Device: NewDevice{DisplayName: "\x00"}}, code: mxerr.CodeInvalidParam},
	}
	for name, tt := range tests {
		s, err := a.Login(t.Context(), tt.login)
		if tt.code != "" {
			require.True(t, mxerr.Is(err, tt.code), "%s: %v", name, err)
			require.Zero(t, s, name)
			continue
		}
		require.NoError(t, err, name)
		who, err := a.Resolve(t.Context(), s.AccessToken)
		require.NoError(t, err, name)
		require.Equal(t, Identity{"@alice:test.example", s.DeviceID, HashToken(s.AccessToken)}, who, name)
		require.Regexp(t, `^[A-Z2-7]{10}$`, string(s.DeviceID), name)
	}

	_, err = a.Resolve(t.Context(), gone.AccessToken)
	require.True(t, mxerr.Is(err, mxerr.CodeUnknownToken), "the token of a deactivated account does not count")
	require.Zero(t, count(t, pool, `SELECT count(*) FROM access_token WHERE position('myt_'::bytea IN token_hash) > 0`),
		"tokens are stored hashed")
}

func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	a, _, _ := newAuth(t, Registration{})
	_, err := a.Resolve(t.Context(), "")
	require.True(t, mxerr.Is(err, mxerr.CodeMissingToken))
	for _, token := range []Secret{"x", "\x00", Secret(strings.Repeat("x", 1<<20))} {
		_, err = a.Resolve(t.Context(), token)
		require.True(t, mxerr.Is(err, mxerr.CodeUnknownToken))
	}
}

// client-server API, "Relationship between access tokens and devices".
func TestLoginWithAKnownDeviceRevokesItsToken(t *testing.T) {
	t.Parallel()
	a, pool, pokes := newAuth(t, Registration{})
	first := register(t, a, "alice")
	require.Zero(t, *pokes)

	again, err := a.Login(t.Context(), Login{
		User: "alice", Password: "correct horse", Device: NewDevice{ID: first.DeviceID, DisplayName: "second"},
	})
	require.NoError(t, err)
	require.Equal(t, first.DeviceID, again.DeviceID)
	require.Equal(t, 1, *pokes)
	_, err = a.Resolve(t.Context(), first.AccessToken)
	require.True(t, mxerr.Is(err, mxerr.CodeUnknownToken))
	_, err = a.Resolve(t.Context(), again.AccessToken)
	require.NoError(t, err)

	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM device WHERE display_name = 'first'`), "the name stays")
	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM stream_block WHERE revoked = ARRAY[$1::bytea]`,
		HashToken(first.AccessToken)))
}

func TestLogout(t *testing.T) {
	t.Parallel()
	a, pool, pokes := newAuth(t, Registration{})
	var sessions []Session
	sessions = append(sessions, register(t, a, "alice"), register(t, a, "bob"))
	for range 2 {
		s, err := a.Login(t.Context(), Login{User: "alice", Password: "correct horse"})
		require.NoError(t, err)
		sessions = append(sessions, s)
	}
	alive := func() (alive []bool) {
		for _, s := range sessions {
			_, err := a.Resolve(t.Context(), s.AccessToken)
			require.True(t, err == nil || mxerr.Is(err, mxerr.CodeUnknownToken), err)
			alive = append(alive, err == nil)
		}
		return alive
	}
	require.Equal(t, []bool{true, true, true, true}, alive())
	alice, err := a.Resolve(t.Context(), sessions[0].AccessToken)
	require.NoError(t, err)

	require.NoError(t, a.Logout(t.Context(), alice))
	require.Equal(t, []bool{false, true, true, true}, alive())
	require.Equal(t, 1, *pokes)
	require.NoError(t, a.Logout(t.Context(), alice), "a forwarded request may come twice")
	require.Equal(t, 1, *pokes, "nothing was revoked")

	require.NoError(t, a.LogoutAll(t.Context(), alice))
	require.Equal(t, []bool{false, true, false, false}, alive())
	require.Equal(t, 2, *pokes)
	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM device`), "bob's")
	require.Equal(t, 2, count(t, pool, `SELECT max(cardinality(revoked)) FROM stream_block`))
	require.Equal(t, 3, count(t, pool, `SELECT sum(cardinality(revoked)) FROM stream_block`))
}

// Whatever the order of a login and a logout of all devices, a token that stops to count is announced.
func TestEveryTokenThatEndsIsAnnounced(t *testing.T) {
	t.Parallel()
	a, pool, _ := newAuth(t, Registration{})
	a.poke = func() {}
	first := register(t, a, "alice")
	var mu sync.Mutex
	tokens := []Secret{first.AccessToken}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				s, err := a.Login(t.Context(), Login{User: "alice", Password: "correct horse", Device: NewDevice{ID: first.DeviceID}})
				if err != nil {
					t.Errorf("login: %v", err)
					return
				}
				mu.Lock()
				tokens = append(tokens, s.AccessToken)
				mu.Unlock()
				if err := a.LogoutAll(t.Context(), Identity{UserID: s.UserID}); err != nil {
					t.Errorf("logout: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for _, token := range tokens {
		_, err := a.Resolve(t.Context(), token)
		require.True(t, mxerr.Is(err, mxerr.CodeUnknownToken))
		require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM stream_block WHERE $1 = ANY (revoked)`, HashToken(token)))
	}
}
