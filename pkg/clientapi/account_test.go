package clientapi

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

func TestProfile(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	s.accounts(alice, bob)
	own := v3("/profile/@alice:test.example")

	require.Empty(t, ok[object](s, bob, "GET", own, ""))
	require.Empty(t, ok[object](s, bob, "GET", own+"/displayname", ""))
	ok[object](s, alice, "PUT", own+"/displayname", `{"displayname":"Alice"}`)
	ok[object](s, alice, "PUT", own+"/avatar_url", `{"avatar_url":"mxc://test.example/a"}`)
	require.Equal(t, object{"displayname": "Alice", "avatar_url": "mxc://test.example/a"}, ok[object](s, "", "GET", own, ""))
	require.Equal(t, object{"displayname": "Alice"}, ok[object](s, bob, "GET", own+"/displayname", ""))

	for path, want := range map[string]struct {
		body   string
		status int
		code   mxerr.Code
	}{
		"/displayname":   {`{"displayname":1}`, 400, mxerr.CodeBadJSON},
		"/displayname?a": {`{}`, 400, mxerr.CodeMissingParam},
		"/displayname?b": {`{`, 400, mxerr.CodeNotJSON},
		"/displayname?c": {`{"displayname":"` + strings.Repeat("x", maxDisplayName+1) + `"}`, 400, mxerr.CodeInvalidParam},
		"/displayname?d": {`{"displayname":"\u0000"}`, 400, mxerr.CodeInvalidParam},
		"/displayname?e": {strings.Repeat(" ", maxBody+1), 413, mxerr.CodeTooLarge},
		"/avatar_url":    {`{"avatar_url":"https://test.example/a"}`, 400, mxerr.CodeInvalidParam},
	} {
		s.refused(alice, "PUT", own+path, want.body, want.status, want.code)
	}
	s.refused(bob, "PUT", own+"/displayname", `{"displayname":"Bob"}`, 403, mxerr.CodeForbidden)
	require.Equal(t, object{"displayname": "Alice", "avatar_url": "mxc://test.example/a"}, ok[object](s, "", "GET", own, ""),
		"what was refused changed nothing")

	ok[object](s, alice, "PUT", own+"/displayname", `{"displayname":null}`)
	ok[object](s, alice, "PUT", own+"/avatar_url", `{"avatar_url":""}`)
	require.Empty(t, ok[object](s, "", "GET", own, ""))
	s.refused("", "GET", v3("/profile/@carol:test.example"), "", 404, mxerr.CodeNotFound)
	s.refused("", "GET", v3("/profile/@alice:other.example"), "", 404, mxerr.CodeNotFound)
	s.refused("", "GET", own+"/m.tz", "", 404, mxerr.CodeNotFound)
	s.refused("", "GET", v3("/profile/alice"), "", 400, mxerr.CodeInvalidParam)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	path := v3("/user/@alice:test.example/filter")
	body := `{"room":{"timeline":{"limit":5,"types":["m.room.*"]},"include_leave":true},"org.example":{"x":1}}`
	number := ok[map[string]string](s, alice, "POST", path, body)["filter_id"]
	require.Equal(t, number, ok[map[string]string](s, alice, "POST", path, " "+body)["filter_id"], "the same again")
	_, answer := s.do(alice, "GET", path+"/"+number, "")
	require.JSONEq(t, body, answer)

	for body, code := range map[string]mxerr.Code{
		`{`: mxerr.CodeNotJSON, ``: mxerr.CodeNotJSON, `[]`: mxerr.CodeBadJSON, `{"room":[]}`: mxerr.CodeBadJSON,
		`{"room":{"timeline":{"types":"m.room.message"}}}`:                           mxerr.CodeBadJSON,
		`{"room":{"timeline":{"limit":1.5}}}`:                                        mxerr.CodeBadJSON,
		`{"org.example":1.5}`:                                                        mxerr.CodeBadJSON,
		`{"room":{"state":{"limit":-1}}}`:                                            mxerr.CodeInvalidParam,
		`{"event_format":"federation"}`:                                              mxerr.CodeInvalidParam,
		`{"presence":{"types":[` + strings.Repeat(`"",`, maxFilterEntries) + `""]}}`: mxerr.CodeInvalidParam,
	} {
		s.refused(alice, "POST", path, body, 400, code)
	}
	s.refused(alice, "POST", path, strings.Repeat(" ", maxBody)+"{}", 413, mxerr.CodeTooLarge)
	s.refused(bob, "POST", path, "{}", 403, mxerr.CodeForbidden)
	s.refused(bob, "GET", path+"/"+number, "", 403, mxerr.CodeForbidden)
	s.refused(bob, "GET", v3("/user/@bob:test.example/filter/")+number, "", 404, mxerr.CodeNotFound)
	s.refused(alice, "GET", path+"/x", "", 404, mxerr.CodeNotFound)
	s.refused(alice, "GET", path+"/99999999999999999999", "", 404, mxerr.CodeNotFound)
	s.refused(alice, "POST", v3("/user/alice/filter"), "{}", 400, mxerr.CodeInvalidParam)
}
