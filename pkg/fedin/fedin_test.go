package fedin

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func get(t *testing.T, a *API, method, path string, want int) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
	require.Equal(t, want, w.Code, path)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	return w.Body.Bytes()
}

func TestVersion(t *testing.T) {
	t.Parallel()
	a := New(Options{Version: "1.2"})
	require.JSONEq(t, `{"server":{"name":"Myelin","version":"1.2"}}`,
		string(get(t, a, "GET", "/_matrix/federation/v1/version", http.StatusOK)))
}

func TestUnknownRequests(t *testing.T) {
	t.Parallel()
	a := New(Options{})
	require.Contains(t, string(get(t, a, "POST", "/_matrix/key/v2/server", http.StatusMethodNotAllowed)), "M_UNRECOGNIZED")
	require.Contains(t, string(get(t, a, "PUT", "/_matrix/federation/v1/send/1", http.StatusNotFound)), "M_UNRECOGNIZED")
}
