package processes_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// traffic writes to rooms and listens to them, and knows what was acknowledged and what was heard.
type traffic struct {
	mu       sync.Mutex
	acked    map[string][]string // room → event ids in the order of their answers
	heard    map[string][]string
	failures []string
	slowest  time.Duration
}

func (tr *traffic) write(ctx context.Context, c *client, room string) {
	for i := 0; ctx.Err() == nil; i++ {
		began := time.Now()
		id, err := c.send(context.WithoutCancel(ctx), room, fmt.Sprintf("m%d", i))
		took := time.Since(began)
		tr.mu.Lock()
		tr.slowest = max(tr.slowest, took)
		if took > 300*time.Millisecond {
			c.t.Logf("a send through %s took %v", c.base, took)
		}
		if err != nil || took > 20*time.Second {
			tr.failures = append(tr.failures, fmt.Sprintf("send to %s after %v: %v", room, took, err))
		} else {
			tr.acked[room] = append(tr.acked[room], id)
		}
		tr.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// listen syncs until done is closed and nothing acknowledged is missing, or ctx ends.
func (tr *traffic) listen(ctx context.Context, c *client, done <-chan struct{}) {
	for ctx.Err() == nil {
		s, err := c.sync(ctx, time.Second)
		if err != nil {
			if ctx.Err() == nil {
				tr.mu.Lock()
				tr.failures = append(tr.failures, fmt.Sprintf("sync: %v", err))
				tr.mu.Unlock()
			}
			return
		}
		tr.mu.Lock()
		for room, r := range s.Rooms.Join {
			if r.Timeline.Limited {
				tr.failures = append(tr.failures, "a sync was limited")
			}
			for _, e := range r.Timeline.Events {
				if e.Type == "m.room.message" {
					tr.heard[room] = append(tr.heard[room], e.EventID)
				}
			}
		}
		complete := true
		for room, ids := range tr.acked {
			complete = complete && len(tr.heard[room]) >= len(ids)
		}
		tr.mu.Unlock()
		select {
		case <-done:
			if complete {
				return
			}
		default:
		}
	}
}

// TestPersistersComeAndGo is the story of the README: nobody who writes or listens notices.
func TestPersistersComeAndGo(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	persisters := []*worker{h.start("persister"), h.start("persister"), h.start("persister")}
	gateways := []*worker{h.start("gateway,client"), h.start("gateway,client")}
	h.start("sync")
	syncs := h.start("sync")
	h.settle(gateways[0], persisters...)

	const rooms = 16
	alice, bob := register(t, gateways[0], "alice"), register(t, gateways[1], "bob")
	tr := &traffic{acked: map[string][]string{}, heard: map[string][]string{}}
	var ids []string
	for range rooms {
		room := alice.createRoom()
		bob.join(room)
		ids = append(ids, room)
	}
	_, err := bob.sync(t.Context(), 0)
	require.NoError(t, err)

	ctx, stop := context.WithCancel(t.Context())
	quiet := make(chan struct{})
	var writers, listeners sync.WaitGroup
	listening, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	listeners.Go(func() { tr.listen(listening, bob, quiet) })
	for i, room := range ids {
		c := alice.at(gateways[i%2])
		writers.Go(func() { tr.write(ctx, c, room) })
	}
	settled := func(persisters ...*worker) { h.settle(gateways[0], persisters...) }

	t.Log("kill one of three persisters")
	began := time.Now()
	persisters[0].Kill()
	settled(persisters[1:]...)
	t.Logf("its shards were claimed by others after %v", time.Since(began))

	t.Log("add one")
	added := h.start("persister")
	settled(persisters[1], persisters[2], added)

	t.Log("tell one to stop")
	persisters[1].terminate(t)
	settled(persisters[2], added)

	t.Log("move a shard")
	shard := gateways[0].status(t).Shards[7]
	moved, err := gateways[1].Admin().Move(t.Context(), shard.ID, 0)
	require.NoError(t, err)
	require.Equal(t, shard.Owner, moved.From)
	require.NotEqual(t, shard.Owner, moved.To)
	require.Greater(t, moved.Epoch, shard.Epoch)

	t.Log("tell a sync worker to stop")
	syncs.terminate(t)

	stop()
	writers.Wait()
	close(quiet)
	listeners.Wait()
	require.Empty(t, tr.failures)
	events := 0
	for _, room := range ids {
		require.NotEmpty(t, tr.acked[room])
		require.Equal(t, tr.acked[room], tr.heard[room], "room %s: each event once and in order", room)
		events += len(tr.acked[room])
	}
	t.Logf("%d events; the slowest send took %v", events, tr.slowest)
}

// TestKilledContainersRestart kills each persister in turn; a new process appears at its address at once, as a kubelet
// makes it.
func TestKilledContainersRestart(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	persisters := []*worker{h.start("persister"), h.start("persister"), h.start("persister")}
	gateway := h.start("gateway,client,sync")
	h.settle(gateway, persisters...)
	alice, bob := register(t, gateway, "alice"), register(t, gateway, "bob")
	tr := &traffic{acked: map[string][]string{}, heard: map[string][]string{}}
	var ids []string
	for range 12 {
		room := alice.createRoom()
		bob.join(room)
		ids = append(ids, room)
	}
	_, err := bob.sync(t.Context(), 0)
	require.NoError(t, err)

	ctx, stop := context.WithCancel(t.Context())
	quiet := make(chan struct{})
	listening, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var writers, listeners sync.WaitGroup
	listeners.Go(func() { tr.listen(listening, bob, quiet) })
	for _, room := range ids {
		c := alice.at(gateway)
		writers.Go(func() { tr.write(ctx, c, room) })
	}
	for _, p := range persisters {
		p.Kill()
		h.run(p)
		p.awaitReady(t)
		h.settle(gateway, persisters...)
	}
	stop()
	writers.Wait()
	close(quiet)
	listeners.Wait()
	require.Empty(t, tr.failures)
	for _, room := range ids {
		require.Equal(t, tr.acked[room], tr.heard[room], "room %s: each event once and in order", room)
	}
	t.Logf("the slowest send took %v", tr.slowest)
}

func TestWithoutPersisters(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	persister := h.start("persister")
	gateway := h.start("gateway,client,sync,federation-inbound")
	alice := register(t, gateway, "alice")
	room := alice.createRoom()
	persister.terminate(t)

	began := time.Now()
	a, err := alice.do(t.Context(), "PUT", "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/send/m.room.message/1", map[string]any{"body": "x"})
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, a.status, "%s", a.body)
	require.Equal(t, "M_UNKNOWN", a.get("errcode"))
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Contains(t, string(a.body), "retry_after_ms")
	require.Less(t, time.Since(began), 20*time.Second, "it is not parked")
	alice.must("GET", "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/state", nil)

	h.start("persister")
	require.Eventually(t, func() bool { _, err := alice.send(t.Context(), room, "back"); return err == nil }, time.Minute, 50*time.Millisecond)
}

func TestRevokedTokenIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	h.start("persister,sync")
	gateways := []*worker{h.start("gateway,client"), h.start("gateway,client")}
	refused := func(c *client) func() bool {
		return func() bool {
			a, err := c.do(t.Context(), "GET", "/_matrix/client/v3/account/whoami", nil)
			require.NoError(t, err)
			return a.status == http.StatusUnauthorized && a.get("errcode") == "M_UNKNOWN_TOKEN"
		}
	}
	for _, c := range []struct {
		name  string
		user  string
		limit time.Duration
		redis bool
	}{{"with Redis", "alice", 4 * time.Second, true}, {"without Redis", "bob", time.Minute, false}} {
		user := register(t, gateways[0], c.user)
		other := user.at(gateways[1])
		for range 2 { // cached by both
			user.must("GET", "/_matrix/client/v3/account/whoami", nil)
			other.must("GET", "/_matrix/client/v3/account/whoami", nil)
		}
		if !c.redis {
			h.redis.Stop()
		}
		user.must("POST", "/_matrix/client/v3/logout", map[string]any{})
		require.Eventually(t, refused(other), c.limit, 10*time.Millisecond, c.name)
		require.Eventually(t, refused(user), c.limit, 10*time.Millisecond, c.name)
	}
}

func TestKickedUserReceivesNothingLater(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	h.start("persister")
	gateway := h.start("gateway,client")
	h.start("sync")
	alice, mallory := register(t, gateway, "alice"), register(t, gateway, "mallory")
	room := alice.createRoom()
	mallory.join(room)
	_, err := alice.send(t.Context(), room, "before")
	require.NoError(t, err)
	alice.must("POST", "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/kick", map[string]any{"user_id": mallory.user})
	secret, err := alice.send(t.Context(), room, "secret")
	require.NoError(t, err)
	var last syncAnswer
	require.Eventually(t, func() bool {
		last, err = alice.sync(t.Context(), 100*time.Millisecond)
		require.NoError(t, err)
		return slices.ContainsFunc(last.Rooms.Join[room].Timeline.Events, func(e event) bool { return e.EventID == secret })
	}, time.Minute, time.Millisecond)

	var bodies []string
	for range 5 {
		s, err := mallory.sync(t.Context(), 100*time.Millisecond)
		require.NoError(t, err)
		require.Empty(t, s.Rooms.Join)
		for _, e := range s.Rooms.Leave[room].Timeline.Events {
			bodies = append(bodies, e.Content.Body)
		}
	}
	require.NotContains(t, bodies, "secret")
	a, err := mallory.do(t.Context(), "PUT", "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/send/m.room.message/1", map[string]any{"body": "x"})
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, a.status)
}

func TestRolesInOneProcessNeedNoRedis(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	h.RedisURI = ""
	w := h.start("all")
	alice, bob := register(t, w, "alice"), register(t, w, "bob")
	room := alice.createRoom(bob.user)
	bob.join(room)
	_, err := bob.sync(t.Context(), 0)
	require.NoError(t, err)
	heard := make(chan error, 1)
	go func() {
		s, err := bob.sync(t.Context(), 10*time.Second)
		if err == nil && (len(s.Rooms.Join[room].Timeline.Events) != 1 || s.Rooms.Join[room].Timeline.Events[0].Content.Body != "hello") {
			err = fmt.Errorf("heard %+v", s)
		}
		heard <- err
	}()
	_, err = alice.send(t.Context(), room, "hello")
	require.NoError(t, err)
	require.NoError(t, <-heard)
	w.terminate(t)
}
