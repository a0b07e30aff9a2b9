package app

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/route"
)

// A probe tells a worker that is gone, one that is mute and one that lives, dialled here or by another.
func TestProbes(t *testing.T) {
	t.Parallel()
	p := newPeer(internalauth.NewSigner("a credential"))
	p.limit = time.Minute                         // who lives may take its time
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, and that is all
	require.NoError(t, err)
	t.Cleanup(func() { _ = mute.Close() })
	gone := freeAddr(t)
	live := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(route.HeaderWorker, "1")
	}))
	t.Cleanup(live.Close)

	pool, err := postgres.Open(t.Context(), pgtest.New(t), postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	ids := map[string]int64{}
	var manager *lease.Manager
	for _, addr := range []string{live.Listener.Addr().String(), mute.Addr().String(), gone, "second"} {
		manager, err = lease.Join(t.Context(), pool, lease.Self{Pod: addr, Addr: addr, Roles: []string{"client"}, Protocol: protocol}, lease.Options{})
		require.NoError(t, err)
		ids[addr] = manager.ID()
	}
	soon := *p
	soon.limit = 50 * time.Millisecond
	viaSecond := func(p *peer) string {
		mux := http.NewServeMux()
		servePeers(mux, manager, p)
		second := httptest.NewServer(mux)
		t.Cleanup(second.Close)
		return second.Listener.Addr().String()
	}

	for via, viaSoon := range map[string]string{"": "", viaSecond(p): viaSecond(&soon)} {
		dead, err := p.Probe(t.Context(), via, live.Listener.Addr().String(), ids[live.Listener.Addr().String()])
		require.NoError(t, err)
		require.Equal(t, ids[live.Listener.Addr().String()] != 1, dead, "another worker answers there")
		_, err = soon.Probe(t.Context(), viaSoon, mute.Addr().String(), ids[mute.Addr().String()])
		require.ErrorIs(t, err, lease.ErrNoAnswer)
		dead, err = p.Probe(t.Context(), via, gone, ids[gone])
		require.NoError(t, err)
		require.True(t, dead)
	}
	// Whoever was to dial does not answer: nothing is known of the worker.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = p.Probe(ctx, mute.Addr().String(), gone, ids[gone])
	require.Error(t, err)
	require.NotErrorIs(t, err, lease.ErrNoAnswer)
	_, err = p.Probe(ctx, "", mute.Addr().String(), ids[mute.Addr().String()])
	require.NotErrorIs(t, err, lease.ErrNoAnswer, "it was not given the time")
}
