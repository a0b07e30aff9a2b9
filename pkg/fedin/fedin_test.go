package fedin

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/keyring"
)

func get(t *testing.T, a *API, method, path string, want int) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
	require.Equal(t, want, w.Code, path)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	return w.Body.Bytes()
}

func TestServerKeysAreSignedByThemselves(t *testing.T) {
	t.Parallel()
	key, err := keyring.Generate("test.example")
	require.NoError(t, err)
	a := New(Options{Key: key})
	now := time.UnixMilli(1_700_000_000_000)
	a.now = func() time.Time { return now }

	body := get(t, a, "GET", "/_matrix/key/v2/server", http.StatusOK)
	var keys struct {
		ServerName string `json:"server_name"`
		ValidUntil int64  `json:"valid_until_ts"`
		VerifyKeys map[string]struct {
			Key string `json:"key"`
		} `json:"verify_keys"`
		OldKeys map[string]any `json:"old_verify_keys"`
	}
	require.NoError(t, json.Unmarshal(body, &keys))
	require.Equal(t, "test.example", keys.ServerName)
	require.Equal(t, now.Add(24*time.Hour).UnixMilli(), keys.ValidUntil)
	require.NotNil(t, keys.OldKeys)
	public, err := base64.RawStdEncoding.DecodeString(keys.VerifyKeys[key.KeyID()].Key)
	require.NoError(t, err)
	require.NoError(t, keyring.VerifyJSON(body, "test.example", key.KeyID(), public))
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
