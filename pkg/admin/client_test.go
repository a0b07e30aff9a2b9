package admin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/internalauth"
)

const credential = "a credential of thirty-two bytes"

func TestClient(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+admin.Prefix+"status", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(admin.Status{ServerName: "a.example", Shards: []admin.Shard{{ID: 3, Owner: 7}}})
	})
	mux.HandleFunc("POST "+admin.Prefix+"shards/3/move", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != `{"to":9}` {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte(`{"from":7,"to":9,"epoch":5}`))
	})
	mux.HandleFunc("POST "+admin.Prefix+"workers/9/drain", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("POST "+admin.Prefix+"workers/8/drain", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error":"there is no worker 8"}`))
	})
	mux.HandleFunc("POST "+admin.Prefix+"workers/9/cordon", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != `{"cordoned":true}` {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST "+admin.Prefix+"rebalance", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"balancer":4}`))
	})
	server := httptest.NewServer(internalauth.NewVerifier(credential).Handler(mux, 1<<20))
	t.Cleanup(server.Close)

	c := admin.NewClient(server.URL+"/", credential, nil)
	status, err := c.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(7), status.Shards[0].Owner)

	moved, err := c.Move(t.Context(), 3, 9)
	require.NoError(t, err)
	require.Equal(t, admin.MoveResult{From: 7, To: 9, Epoch: 5}, moved)

	require.NoError(t, c.Drain(t.Context(), 9))
	require.NoError(t, c.Cordon(t.Context(), 9, true))
	asked, err := c.Rebalance(t.Context())
	require.NoError(t, err)
	require.Equal(t, admin.Rebalance{Balancer: 4}, asked)
	err = c.Drain(t.Context(), 8)
	var refusal *admin.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "there is no worker 8", refusal.Message)

	_, err = admin.NewClient(server.URL, "another credential of 32 bytes ..", nil).Status(t.Context())
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, http.StatusUnauthorized, refusal.HTTPStatus)
}

// What stands behind a homeserver's Service may be anything, and who asks may reach more than it.
func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was asked for", r.Method, r.URL)
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/admin", status))
		t.Cleanup(server.Close)
		for _, h := range []*http.Client{nil, {Timeout: time.Minute}} {
			c := admin.NewClient(server.URL, credential, h)
			_, err := c.Status(t.Context())
			var refusal *admin.Error
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, status, refusal.HTTPStatus)
			require.ErrorContains(t, err, "redirects to \""+elsewhere.URL+"/admin\"")
			require.ErrorAs(t, c.Drain(t.Context(), 1), &refusal)
		}
	}
}
