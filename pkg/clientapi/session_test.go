package clientapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

type sessionJSON struct {
	UserID      id.UserID   `json:"user_id"`
	DeviceID    id.DeviceID `json:"device_id"`
	AccessToken auth.Secret `json:"access_token"`
}

func TestRegisterLoginLogout(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{Mode: auth.RegistrationOpen})

	status, answer := s.do("", "POST", v3("/register"), `{"username":"alice","password":"correct horse"}`)
	require.Equal(t, 401, status)
	var challenge struct {
		Session string
		Flows   []auth.Flow
		Params  object
		ErrCode *string
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &challenge))
	require.Equal(t, []auth.Flow{{Stages: []string{"m.login.dummy"}}}, challenge.Flows)
	require.Nil(t, challenge.ErrCode, "the first answer is no error")

	require.Equal(t, object{"available": true}, ok[object](s, "", "GET", v3("/register/available?username=alice"), ""))
	made := ok[sessionJSON](s, "", "POST", v3("/register"), `{"username":"alice","password":"correct horse",
		"device_id":"PHONE","auth":{"type":"m.login.dummy","session":"`+challenge.Session+`"}}`)
	require.Equal(t, alice, made.UserID)
	require.EqualValues(t, "PHONE", made.DeviceID)
	s.refused("", "GET", v3("/register/available?username=alice"), "", 400, mxerr.CodeUserInUse)

	require.Equal(t, object{"flows": []any{object{"type": "m.login.password"}}}, ok[object](s, "", "GET", v3("/login"), ""))
	for _, body := range []string{
		`{"type":"m.login.password","identifier":{"type":"m.id.user","user":"alice"},"password":"correct horse"}`,
		`{"type":"m.login.password","user":"@alice:test.example","password":"correct horse","device_id":"PHONE"}`,
	} {
		session := ok[sessionJSON](s, "", "POST", v3("/login"), body)
		who, err := s.api.auth.Resolve(t.Context(), session.AccessToken)
		require.NoError(t, err)
		require.Equal(t, alice, who.UserID)
		require.Equal(t, session.DeviceID, who.DeviceID)
	}
	_, err := s.api.auth.Resolve(t.Context(), made.AccessToken)
	require.True(t, mxerr.Is(err, mxerr.CodeUnknownToken), "PHONE has a new one")

	require.Equal(t, object{"user_id": "@alice:test.example", "device_id": "DEVICE", "is_guest": false},
		ok[object](s, alice, "GET", v3("/account/whoami"), ""))
	require.Len(t, ok[object](s, alice, "GET", v3("/devices"), "")["devices"], 2)
	require.Equal(t, object{"device_id": "PHONE"}, ok[object](s, alice, "GET", v3("/devices/PHONE"), ""))
	s.refused(alice, "GET", v3("/devices/TABLET"), "", 404, mxerr.CodeNotFound)
	s.refused(alice, "GET", v3("/devices/%00"), "", 404, mxerr.CodeNotFound)

	s.refused(alice, "POST", v3("/logout"), `{`, 400, mxerr.CodeNotJSON)
	require.Empty(t, ok[object](s, alice, "POST", v3("/logout"), ""))
	require.Empty(t, ok[object](s, alice, "POST", v3("/logout/all"), "{}"))
	require.Empty(t, ok[object](s, alice, "GET", v3("/devices"), "")["devices"])
}

func TestLoginRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	for body, want := range map[string]struct {
		status int
		code   mxerr.Code
	}{
		``:                            {400, mxerr.CodeNotJSON},
		`{`:                           {400, mxerr.CodeNotJSON},
		`[]`:                          {400, mxerr.CodeBadJSON},
		`{}`:                          {400, mxerr.CodeMissingParam},
		`{"type":1}`:                  {400, mxerr.CodeBadJSON},
		`{"type":"m.login.token"}`:    {400, mxerr.CodeUnknown},
		`{"type":"m.login.password"}`: {400, mxerr.CodeMissingParam},
		`{"type":"m.login.password","user":"alice"}`:                                     {400, mxerr.CodeMissingParam},
		`{"type":"m.login.password","identifier":{"type":"m.id.phone"},"password":"x"}`:  {400, mxerr.CodeUnknown},
		`{"type":"m.login.password","identifier":"alice","password":"x"}`:                {400, mxerr.CodeBadJSON},
		`{"type":"m.login.password","user":"alice","password":"wrong"}`:                  {403, mxerr.CodeForbidden},
		`{"type":"m.login.password","user":"alice","password":"x","device_id":"\u0000"}`: {400, mxerr.CodeInvalidParam},
		`{"password":"` + strings.Repeat("x", maxBody) + `"}`:                            {413, mxerr.CodeTooLarge},
	} {
		s.refused("", "POST", v3("/login"), body, want.status, want.code)
	}
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	closed := newServer(t, auth.Registration{})
	closed.refused("", "POST", v3("/register"), `{"username":"alice","password":"correct horse"}`, 403, mxerr.CodeForbidden)
	closed.refused("", "GET", v3("/register/available?username=a"), "", 403, mxerr.CodeForbidden)
	closed.refused("", "GET", "/_synapse/admin/v1/register", "", 400, mxerr.CodeUnknown)
	closed.refused("", "GET", "/_matrix/client/v1/register/m.login.registration_token/validity?token=x", "", 403, mxerr.CodeForbidden)

	open := newServer(t, auth.Registration{Mode: auth.RegistrationToken, Token: "opens", SharedSecret: "s"})
	for path, want := range map[string]struct {
		body   string
		status int
		code   mxerr.Code
	}{
		"/register?kind=guest": {`{}`, 403, mxerr.CodeGuestAccessForbidden},
		"/register?kind=robot": {`{}`, 400, mxerr.CodeInvalidParam},
		"/register":            {`{"username":"a b"}`, 400, mxerr.CodeInvalidUsername},
		"/register?kind=user":  {`{"username":["a"]}`, 400, mxerr.CodeBadJSON},
		"/register?":           {`{"username":"a","auth":{"type":"m.login.registration_token","token":"opens"}}`, 400, mxerr.CodeMissingParam},
		"/register?a":          {`{"username":"a","auth":{"type":"m.login.registration_token","token":"wrong"}}`, 401, mxerr.CodeForbidden},
	} {
		open.refused("", "POST", v3(path), want.body, want.status, want.code)
	}
	open.refused("", "GET", v3("/register/available"), "", 400, mxerr.CodeMissingParam)
	const validity = "/_matrix/client/v1/register/m.login.registration_token/validity"
	open.refused("", "GET", validity, "", 400, mxerr.CodeMissingParam)
	require.Equal(t, object{"valid": true}, ok[object](open, "", "GET", validity+"?token=opens", ""))
	require.Equal(t, object{"valid": false}, ok[object](open, "", "GET", validity+"?token=x", ""))

	nonce := ok[map[string]string](open, "", "GET", "/_synapse/admin/v1/register", "")["nonce"]
	open.refused("", "POST", "/_synapse/admin/v1/register", `{"nonce":"`+nonce+`","username":"a","password":"b","mac":"00"}`, 403, mxerr.CodeForbidden)
	open.refused("", "POST", "/_synapse/admin/v1/register", `{"nonce":"`+nonce+`"}`, 400, mxerr.CodeMissingParam)

	made := ok[sessionJSON](open, "", "POST", v3("/register"),
		`{"username":"a","password":"correct horse","inhibit_login":true,"auth":{"type":"m.login.registration_token","token":"opens"}}`)
	require.Equal(t, sessionJSON{UserID: "@a:test.example"}, made)
}
