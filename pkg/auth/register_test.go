package auth

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

func TestRegistrationIsClosedUnlessOpened(t *testing.T) {
	t.Parallel()
	for _, policy := range []Registration{{}, {Mode: RegistrationClosed}, {SharedSecret: "s"}} {
		a, pool, _ := newAuth(t, policy)
		_, err := a.Register(t.Context(), Register{Username: "alice", Password: "correct horse", Auth: &AuthData{Type: StageDummy}})
		require.True(t, mxerr.Is(err, mxerr.CodeForbidden))
		require.True(t, mxerr.Is(a.UsernameAvailable(t.Context(), "alice"), mxerr.CodeForbidden))
		require.Zero(t, count(t, pool, `SELECT count(*) FROM account`))
	}
}

func TestPolicyCheck(t *testing.T) {
	t.Parallel()
	require.Error(t, Registration{Mode: "opne"}.Check())
	require.Error(t, Registration{Mode: RegistrationOpen, Token: "x"}.Check())
	require.NoError(t, Registration{Mode: RegistrationToken, Token: "x"}.Check())
}

func TestRegisterOpen(t *testing.T) {
	t.Parallel()
	a, pool, _ := newAuth(t, Registration{Mode: RegistrationOpen})
	var c *Challenge
	_, err := a.Register(t.Context(), Register{Username: "alice", Password: "correct horse"})
	require.ErrorAs(t, err, &c)
	require.Equal(t, []Flow{{Stages: []string{StageDummy}}}, c.Flows)
	require.Empty(t, c.Reason)

	s, err := a.Register(t.Context(), Register{
		Username: "Alice", Password: "correct horse", Device: NewDevice{ID: "PHONE", DisplayName: "phone"},
		Auth: &AuthData{Type: StageDummy, Session: c.Session},
	})
	require.NoError(t, err)
	require.EqualValues(t, "@alice:test.example", s.UserID)
	require.EqualValues(t, "PHONE", s.DeviceID)
	_, err = a.Resolve(t.Context(), s.AccessToken)
	require.NoError(t, err)

	silent, err := a.Register(t.Context(), Register{Password: "correct horse", InhibitLogin: true, Auth: &AuthData{Type: StageDummy}})
	require.NoError(t, err)
	require.Regexp(t, `^@[a-z2-7]{12}:test\.example$`, string(silent.UserID))
	require.Empty(t, silent.AccessToken)
	require.Empty(t, silent.DeviceID)
	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM device`))
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	a, pool, _ := newAuth(t, Registration{Mode: RegistrationOpen})
	register(t, a, "taken")
	dummy := &AuthData{Type: StageDummy}
	tests := map[string]struct {
		request Register
		code    mxerr.Code // empty: a challenge
	}{
		"taken, before the challenge":   {Register{Username: "taken"}, mxerr.CodeUserInUse},
		"taken in capitals":             {Register{Username: "TAKEN", Password: "correct horse", Auth: dummy}, mxerr.CodeUserInUse},
		"invalid, before the challenge": {Register{Username: "a b"}, mxerr.CodeInvalidUsername},
		"invalid: sigil":                {Register{Username: "@bob:test.example", Auth: dummy}, mxerr.CodeInvalidUsername},
		"invalid: not ASCII":            {Register{Username: "jürgen", Auth: dummy}, mxerr.CodeInvalidUsername},
		"too long":                      {Register{Username: strings.Repeat("a", 255), Auth: dummy}, mxerr.CodeInvalidUsername},
		"no password":                   {Register{Username: "bob", Auth: dummy}, mxerr.CodeMissingParam},
		"short password":                {Register{Username: "bob", Password: "1234567", Auth: dummy}, mxerr.CodeWeakPassword},
		"oversized password":            {Register{Username: "bob", Password: Secret(strings.Repeat("x", MaxPassword+1)), Auth: dummy}, mxerr.CodeInvalidParam},
		"control in device id":          {Register{Username: "bob", Password: "correct horse", Device: NewDevice{ID: "a\n"}, Auth: dummy}, mxerr.CodeInvalidParam},
		"an empty auth":                 {Register{Username: "bob", Password: "correct horse", Auth: &AuthData{}}, ""},
		"another stage":                 {Register{Username: "bob", Password: "correct horse", Auth: &AuthData{Type: StageToken, Token: "x"}}, ""},
		"a made up session":             {Register{Username: "bob", Password: "correct horse", Auth: &AuthData{Type: StageDummy, Session: "x"}}, ""},
		"a nonce for a session":         {Register{Username: "bob", Password: "correct horse", Auth: &AuthData{Type: StageDummy, Session: a.tickets.issue(noncePurpose, time.Now(), time.Hour)}}, ""},
	}
	for name, tt := range tests {
		_, err := a.Register(t.Context(), tt.request)
		if tt.code == "" {
			require.ErrorAs(t, err, new(*Challenge), name)
		} else {
			require.True(t, mxerr.Is(err, tt.code), "%s: %v", name, err)
		}
	}
	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM account`))
	require.True(t, mxerr.Is(a.UsernameAvailable(t.Context(), "taken"), mxerr.CodeUserInUse))
	require.True(t, mxerr.Is(a.UsernameAvailable(t.Context(), "a b"), mxerr.CodeInvalidUsername))
	require.True(t, mxerr.Is(a.UsernameAvailable(t.Context(), ""), mxerr.CodeMissingParam))
	require.NoError(t, a.UsernameAvailable(t.Context(), "free"))
}

func TestRegisterWithTokens(t *testing.T) {
	t.Parallel()
	a, pool, _ := newAuth(t, Registration{Mode: RegistrationToken, Token: "from-file"})
	_, err := pool.Exec(t.Context(), `
INSERT INTO registration_token VALUES ('twice', 2, NULL), ('used', 0, NULL), ('late', NULL, now() - interval '1s'), ('good', NULL, now() + interval '1h')`)
	require.NoError(t, err)
	try := func(user string, token Secret) error {
		_, err := a.Register(t.Context(), Register{Username: user, Password: "correct horse", Auth: &AuthData{Type: StageToken, Token: token}})
		return err
	}
	for _, token := range []Secret{"", "wrong", "used", "late", "from-fil", "\x00", Secret(strings.Repeat("x", 65))} {
		var c *Challenge
		require.ErrorAs(t, try("bob", token), &c, string(token))
		require.Equal(t, []Flow{{Stages: []string{StageToken}}}, c.Flows)
		require.Equal(t, mxerr.CodeForbidden, c.ErrCode)
		good, err := a.RegistrationTokenIsGood(t.Context(), token)
		require.NoError(t, err)
		require.False(t, good)
	}
	require.Zero(t, count(t, pool, `SELECT count(*) FROM account`))

	for user, token := range map[string]Secret{"a1": "from-file", "a2": "from-file", "a3": "good"} {
		require.NoError(t, try(user, token))
	}
	require.True(t, mxerr.Is(try("a1", "twice"), mxerr.CodeUserInUse))
	require.Equal(t, 2, count(t, pool, `SELECT uses_left FROM registration_token WHERE token = 'twice'`), "a failure takes no use")

	// Five at once for two uses.
	var wg sync.WaitGroup
	errs := make(chan error, 5)
	for _, user := range []string{"b1", "b2", "b3", "b4", "b5"} {
		wg.Go(func() { errs <- try(user, "twice") })
	}
	wg.Wait()
	close(errs)
	made := 0
	for err := range errs {
		if err == nil {
			made++
			continue
		}
		require.ErrorAs(t, err, new(*Challenge))
	}
	require.Equal(t, 2, made)
	require.Equal(t, 2, count(t, pool, `SELECT count(*) FROM account WHERE user_id LIKE '@b%'`))
}

func TestOneNameIsGivenOnce(t *testing.T) {
	t.Parallel()
	a, pool, _ := newAuth(t, Registration{Mode: RegistrationOpen})
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for range 4 {
		wg.Go(func() {
			_, err := a.Register(t.Context(), Register{Username: "bob", Password: "correct horse", Auth: &AuthData{Type: StageDummy}})
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	made := 0
	for err := range errs {
		if err == nil {
			made++
			continue
		}
		require.True(t, mxerr.Is(err, mxerr.CodeUserInUse), err)
	}
	require.Equal(t, 1, made)
	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM access_token`))
}

// mac is what a tool made for Synapse computes.
func mac(secret string, parts ...string) string {
	m := hmac.New(sha1.New, []byte(secret))
	m.Write([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(m.Sum(nil))
}

func TestRegisterShared(t *testing.T) {
	t.Parallel()
	a, pool, _ := newAuth(t, Registration{SharedSecret: "s3cret"})
	nonce, err := a.Nonce(t.Context())
	require.NoError(t, err)

	s, err := a.RegisterShared(t.Context(), RegisterShared{
		Nonce: nonce, Username: "root", Password: "pw", Admin: true, DisplayName: "Root",
		MAC: mac("s3cret", nonce, "root", "pw", "admin"),
	})
	require.NoError(t, err)
	_, err = a.Resolve(t.Context(), s.AccessToken)
	require.NoError(t, err)
	_, err = a.RegisterShared(t.Context(), RegisterShared{
		Nonce: nonce, Username: "bot", Password: "pw", UserType: "bot", MAC: mac("s3cret", nonce, "bot", "pw", "notadmin", "bot"),
	})
	require.NoError(t, err)
	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM account WHERE admin`))
	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM profile WHERE displayname = 'Root'`))

	for name, tt := range map[string]struct {
		request RegisterShared
		code    mxerr.Code
	}{
		"again":          {RegisterShared{Nonce: nonce, Username: "root", Password: "pw", Admin: true, MAC: mac("s3cret", nonce, "root", "pw", "admin")}, mxerr.CodeUserInUse},
		"wrong secret":   {RegisterShared{Nonce: nonce, Username: "x", Password: "pw", MAC: mac("secret", nonce, "x", "pw", "notadmin")}, mxerr.CodeForbidden},
		"made admin":     {RegisterShared{Nonce: nonce, Username: "x", Password: "pw", Admin: true, MAC: mac("s3cret", nonce, "x", "pw", "notadmin")}, mxerr.CodeForbidden},
		"cut anew":       {RegisterShared{Nonce: nonce, Username: "x", Password: "pw\x00notadmin", MAC: mac("s3cret", nonce, "x", "pw", "notadmin")}, mxerr.CodeInvalidParam},
		"MAC not hex":    {RegisterShared{Nonce: nonce, Username: "x", Password: "pw", MAC: "zz"}, mxerr.CodeForbidden},
		"made up nonce":  {RegisterShared{Nonce: "n", Username: "x", Password: "pw", MAC: mac("s3cret", "n", "x", "pw", "notadmin")}, mxerr.CodeUnknown},
		"no MAC":         {RegisterShared{Nonce: nonce, Username: "x", Password: "pw"}, mxerr.CodeMissingParam},
		"no password":    {RegisterShared{Nonce: nonce, Username: "x", MAC: mac("s3cret", nonce, "x", "", "notadmin")}, mxerr.CodeMissingParam},
		"wrong username": {RegisterShared{Nonce: nonce, Username: "a b", Password: "pw", MAC: mac("s3cret", nonce, "a b", "pw", "notadmin")}, mxerr.CodeInvalidUsername},
	} {
		_, err := a.RegisterShared(t.Context(), tt.request)
		require.True(t, mxerr.Is(err, tt.code), "%s: %v", name, err)
	}
	require.Equal(t, 2, count(t, pool, `SELECT count(*) FROM account`))

	off, _, _ := newAuth(t, Registration{Mode: RegistrationOpen})
	_, err = off.Nonce(t.Context())
	require.True(t, mxerr.Is(err, mxerr.CodeUnknown))
	_, err = off.RegisterShared(t.Context(), RegisterShared{
		Nonce: nonce, Username: "x", Password: "pw", MAC: mac("", nonce, "x", "pw", "notadmin"),
	})
	require.True(t, mxerr.Is(err, mxerr.CodeUnknown))
}

func TestTicketsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := keyed("k")
		s := k.issue("a", time.Now(), time.Minute)
		require.True(t, k.valid("a", s, time.Now()))
		require.False(t, k.valid("b", s, time.Now()))
		require.False(t, keyed("l").valid("a", s, time.Now()))
		require.False(t, k.valid("a", s+"A", time.Now()))
		time.Sleep(time.Minute)
		require.False(t, k.valid("a", s, time.Now()))
	})
}

// A gateway that lost the answer sends the request again: the account is there, and the token used up, by this request.
func TestRegistrationSentAgainIsAnswered(t *testing.T) {
	t.Parallel()
	a, pool, pokes := newAuth(t, Registration{Mode: RegistrationToken})
	_, err := pool.Exec(t.Context(), `INSERT INTO registration_token VALUES ('once', 1, NULL)`)
	require.NoError(t, err)
	try := func(request string) (Session, error) {
		return a.Register(internalauth.WithIdentity(t.Context(), internalauth.Identity{RequestID: request}), Register{
			Username: "alice", Password: "correct horse", Device: NewDevice{ID: "PHONE"}, Auth: &AuthData{Type: StageToken, Token: "once"},
		})
	}
	first, err := try("one")
	require.NoError(t, err)
	again, err := try("one")
	require.NoError(t, err)
	require.Equal(t, first.UserID, again.UserID)
	_, err = a.Resolve(t.Context(), again.AccessToken)
	require.NoError(t, err)
	_, err = a.Resolve(t.Context(), first.AccessToken)
	require.True(t, mxerr.Is(err, mxerr.CodeUnknownToken), "the device has one token")
	require.Equal(t, 1, *pokes)
	require.Zero(t, count(t, pool, `SELECT uses_left FROM registration_token`))
	for _, other := range []string{"two", ""} {
		_, err = try(other)
		require.True(t, mxerr.Is(err, mxerr.CodeUserInUse), err)
	}
}

// Both attempts may be under way at once.
func TestRegistrationSentAgainWhileTheFirstIsUnderWay(t *testing.T) {
	t.Parallel()
	a, pool, _ := newAuth(t, Registration{Mode: RegistrationOpen})
	ctx := internalauth.WithIdentity(t.Context(), internalauth.Identity{RequestID: "one"})
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() {
			_, err := a.Register(ctx, Register{Username: "alice", Password: "correct horse", Auth: &AuthData{Type: StageDummy}})
			errs <- err
		}()
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM account`))
}

func keyed(keys ...string) tickets {
	return tickets{keys: func() [][]byte {
		var all [][]byte
		for _, k := range keys {
			all = append(all, []byte(k))
		}
		return all
	}}
}

// Workers learn at different times that the credential is replaced: what one signs all must believe.
func TestTicketsOutliveAReplacementOfTheirKey(t *testing.T) {
	t.Parallel()
	now := time.Now()
	before, meanwhile, after := keyed("old"), keyed("new", "old"), keyed("new")
	require.True(t, meanwhile.valid("a", before.issue("a", now, time.Hour), now))
	require.True(t, before.valid("a", meanwhile.issue("a", now, time.Hour), now))
	require.True(t, meanwhile.valid("a", after.issue("a", now, time.Hour), now))
	require.False(t, after.valid("a", before.issue("a", now, time.Hour), now))
}
