package clientapi

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

func TestUnknownRequests(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	s.refused(alice, "GET", "/_matrix/client/v3/nothing", "", 404, mxerr.CodeUnrecognized)
	s.refused(alice, "GET", "/_matrix/client/v9/login", "", 404, mxerr.CodeUnrecognized)
	s.refused(alice, "PUT", v3("/login"), "", 405, mxerr.CodeUnrecognized)
	s.refused(alice, "POST", v3("/rooms/!a:b/state/m.room.name/"), "{}", 405, mxerr.CodeUnrecognized)
	s.refused(alice, "PUT", v3("/profile/@alice:test.example/m.tz"), `{"m.tz":"UTC"}`, 404, mxerr.CodeUnrecognized)
}

// What needs a token refuses who has none, whatever else is wrong with the request.
func TestRoutesNeedAUser(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	public := map[string]bool{
		"/login": true, "/register": true, "/register/available": true, "/profile/{userId}": true, "/profile/{userId}/{keyName}": true,
	}
	checked := 0
	for _, pattern := range Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		rest, v := strings.CutPrefix(path, "/_matrix/client/v3")
		if !v || public[rest] && method != "PUT" {
			continue
		}
		checked++
		path = strings.NewReplacer("{roomId}", "!x", "{userId}", "@x", "{$}", "", "...", "").Replace(path)
		s.refused("", method, path, "{", http.StatusUnauthorized, mxerr.CodeMissingToken)
	}
	require.Greater(t, checked, 20)
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	require.Contains(t, ok[object](s, "", "GET", "/_matrix/client/versions", "")["versions"], "v1.5",
		"the least that matrix-js-sdk connects to")
	require.Equal(t, object{"m.homeserver": object{"base_url": "https://matrix.test.example"}},
		ok[object](s, "", "GET", "/.well-known/matrix/client", ""))
	require.Equal(t, object{"m.server": "matrix.test.example:443"}, ok[object](s, "", "GET", "/.well-known/matrix/server", ""))
	s.api.baseURL = ""
	require.Equal(t, object{"m.server": "example.com"}, ok[object](s, "", "GET", "/.well-known/matrix/server", ""))

	capabilities := ok[object](s, alice, "GET", v3("/capabilities"), "")["capabilities"].(object)
	available := object{}
	for n := range 12 {
		available[strconv.Itoa(n+1)] = "stable"
	}
	require.Equal(t, object{"default": "12", "available": available}, capabilities["m.room_versions"])
	require.Equal(t, object{"enabled": false}, capabilities["m.change_password"])
	require.Empty(t, ok[object](s, alice, "GET", v3("/thirdparty/protocols"), ""))
	require.Empty(t, ok[object](s, alice, "GET", v3("/voip/turnServer"), ""))
	require.Contains(t, ok[object](s, alice, "GET", v3("/pushrules/"), "")["global"], "underride")
	require.Contains(t, ok[object](s, alice, "GET", v3("/pushrules/global/"), ""), "override")
}
