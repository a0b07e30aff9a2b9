package fedin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/keyring"
)

var (
	_ Keys   = (*keyring.Own)(nil)
	_ Notary = (*keyring.Verifier)(nil)
)

type ownKeys struct {
	body string
	err  error
}

func (k ownKeys) ServerKeys(context.Context) ([]byte, error) { return []byte(k.body), k.err }

// notary knows remote.example, and notes what it is asked for.
type notary struct {
	mu    sync.Mutex
	asked map[id.ServerName]map[string]int64
	err   error
}

func (n *notary) Notarize(_ context.Context, server id.ServerName, wanted map[string]int64) ([][]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asked == nil {
		n.asked = map[id.ServerName]map[string]int64{}
	}
	n.asked[server] = wanted
	if server != "remote.example" {
		return nil, n.err
	}
	return [][]byte{[]byte(`{"server_name":"remote.example"}`)}, n.err
}

func TestServerKeys(t *testing.T) {
	t.Parallel()
	a := New(Options{Keys: ownKeys{body: `{"server_name":"x"}`}})
	require.Equal(t, `{"server_name":"x"}`, string(get(t, a, "GET", pathKeys, http.StatusOK)))
	get(t, New(Options{Keys: ownKeys{err: errors.New("broken")}}), "GET", pathKeys, http.StatusInternalServerError)
}

func TestQueryOfOneServer(t *testing.T) {
	t.Parallel()
	n := &notary{}
	a := New(Options{Notary: n})
	require.JSONEq(t, `{"server_keys":[{"server_name":"remote.example"}]}`, string(get(t, a, "GET", pathQuery+"/remote.example", http.StatusOK)))
	require.Equal(t, map[string]int64{"": 0}, n.asked["remote.example"])
	get(t, a, "GET", pathQuery+"/remote.example?minimum_valid_until_ts=5", http.StatusOK)
	require.Equal(t, map[string]int64{"": 5}, n.asked["remote.example"])
	require.JSONEq(t, `{"server_keys":[]}`, string(get(t, a, "GET", pathQuery+"/other.example:80", http.StatusOK)))
	for _, bad := range []string{"/not%20a%20name", "/remote.example?minimum_valid_until_ts=-1", "/remote.example?minimum_valid_until_ts=x"} {
		require.Contains(t, string(get(t, a, "GET", pathQuery+bad, http.StatusBadRequest)), "M_INVALID_PARAM", bad)
	}
	n.err = errors.New("broken")
	get(t, a, "GET", pathQuery+"/remote.example", http.StatusInternalServerError)
}

func query(a *API, body string) (int, string) {
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest("POST", pathQuery, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestQueryOfServers(t *testing.T) {
	t.Parallel()
	n := &notary{}
	a := New(Options{Notary: n})
	status, body := query(a, `{"server_keys":{"remote.example":{"ed25519:1":{"minimum_valid_until_ts":7},"ed25519:2":{}},"other.example":{}}}`)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"server_keys":[{"server_name":"remote.example"}]}`, body)
	require.Equal(t, map[id.ServerName]map[string]int64{
		"remote.example": {"ed25519:1": 7, "ed25519:2": 0}, "other.example": {"": 0},
	}, n.asked)
	status, body = query(a, `{"server_keys":{}}`)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"server_keys":[]}`, body)
}

func TestQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	a := New(Options{Notary: &notary{}})
	servers, keys := map[string]any{}, map[string]any{}
	for i := range maxQueryServers + 1 {
		servers[fmt.Sprintf("s%d.example", i)] = map[string]any{}
		keys[fmt.Sprintf("ed25519:%d", i)] = map[string]any{}
	}
	encode := func(v any) string {
		raw, err := json.Marshal(map[string]any{"server_keys": v})
		require.NoError(t, err)
		return string(raw)
	}
	for body, want := range map[string]int{
		`{}`: 400, `[]`: 400, `{"server_keys":[]}`: 400, `{"server_keys":{"a b":{}}}`: 400, `{"server_keys":{"a":{"":{}}}}`: 400,
		`{"server_keys":{"a":{"ed25519:1":{"minimum_valid_until_ts":-1}}}}`: 400,
		encode(servers):                   413,
		encode(map[string]any{"a": keys}): 413,
		`{"server_keys":{}, "x":"` + strings.Repeat("x", maxQuery) + `"}`: 413,
	} {
		status, answer := query(a, body)
		require.Equal(t, want, status, answer)
	}
}
