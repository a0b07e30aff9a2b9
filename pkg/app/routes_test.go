package app

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/clientapi"
	"github.com/myelin-hs/myelin/pkg/gateway"
)

func TestTheRoutingTableNamesWhatTheClientRoleServes(t *testing.T) {
	t.Parallel()
	var named []string
	for pattern, role := range gateway.Routes() {
		require.Contains(t, Roles, role, pattern)
		if role == RoleClient {
			named = append(named, pattern)
		}
	}
	served := clientapi.Routes()
	slices.Sort(named)
	slices.Sort(served)
	require.Equal(t, served, named)
}

func TestForwardedRequestsReachTheirRole(t *testing.T) {
	t.Parallel()
	says := func(role string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Served-By", role) })
	}
	mux := byRole(map[string]http.Handler{RolePersister: says(RolePersister), RoleClient: says(RoleClient)})
	for pattern, role := range gateway.Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{$}", "", "{roomId}", "%21a%2Fb", "{stateKey...}", "k/l", "{", "", "}", "").Replace(path)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if role == RolePersister || role == RoleClient {
			require.Equal(t, role, w.Header().Get("Served-By"), pattern)
		} else {
			require.Equal(t, "1", w.Header().Get("X-Myelin-Unserved"), "%s: another worker may serve it", pattern)
		}
	}
}
