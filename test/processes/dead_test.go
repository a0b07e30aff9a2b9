package processes_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
)

// TestAWorkerThatWasDeclaredDeadServesOnAndComesBack stops a worker of all roles until the other has taken over, and lets
// it run again: what it is asked until it ends is served, by who owns the rooms now, and then it is there again, in the
// same process, as a new worker.
func TestAWorkerThatWasDeclaredDeadServesOnAndComesBack(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	victim, other := h.start("all"), h.start("all")
	h.settle(other, victim, other)
	alice := register(t, victim, "alice")
	var rooms []string
	for range 8 {
		rooms = append(rooms, alice.createRoom())
	}
	find := func() (found admin.Worker) {
		for _, w := range other.status(t).Workers {
			if w.Pod == victim.Name && w.State != admin.StateDead {
				found = w
			}
		}
		return found
	}
	before := find()
	require.NotZero(t, before.ID)
	// One that dies as soon as it has started leaves it to its supervisor to start it again.
	require.Eventually(t, func() bool { return time.Since(before.StartedAt) > 11*time.Second }, time.Minute, 100*time.Millisecond)

	require.NoError(t, victim.Signal(syscall.SIGSTOP))
	require.Eventually(t, func() bool { return find().ID == 0 }, time.Minute, 50*time.Millisecond)
	require.NoError(t, victim.Signal(syscall.SIGCONT))

	draining, served := false, 0
	for i := 0; ; i++ {
		room := rooms[i%len(rooms)]
		a, err := alice.do(t.Context(), "PUT", fmt.Sprintf("/_matrix/client/v3/rooms/%s/send/m.room.message/%d", url.PathEscape(room), i), map[string]any{"body": "x"})
		if err != nil {
			require.True(t, draining, "%v", err)
			break // its port has closed
		}
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		if draining {
			served++
		}
		draining = draining || a.last
	}
	t.Logf("%d requests were served after it had heard of its death", served)

	require.Eventually(t, func() bool { return find().ID > before.ID }, time.Minute, 50*time.Millisecond)
	victim.awaitReady(t)
	select {
	case <-victim.Exited():
		t.Fatal("it was to start again in its own place")
	default:
	}
	h.settle(other, victim, other)
	_, err := alice.send(t.Context(), rooms[0], "back")
	require.NoError(t, err)
}

// TestTheOnlyPersisterIsWaitedForWhileItsContainerRestarts kills the only persister; it is back some time after it was
// declared dead.
func TestTheOnlyPersisterIsWaitedForWhileItsContainerRestarts(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	persister := h.start("persister")
	gateway := h.start("gateway,client,sync")
	alice := register(t, gateway, "alice")
	room := alice.createRoom()
	persister.Kill()
	sent := make(chan error, 20)
	for i := range cap(sent) {
		go func() {
			a, err := alice.do(t.Context(), "PUT", fmt.Sprintf("/_matrix/client/v3/rooms/%s/send/m.room.message/%d", url.PathEscape(room), i), map[string]any{"body": "x"})
			if err == nil && !a.ok() {
				err = fmt.Errorf("status %d: %s", a.status, a.body)
			}
			sent <- err
		}()
	}
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(gateway.status(t).Workers, func(w admin.Worker) bool { return w.State == admin.StateDead })
	}, time.Minute, 10*time.Millisecond, "it is declared dead")
	require.Empty(t, sent)
	h.run(persister)
	for range cap(sent) {
		require.NoError(t, <-sent)
	}
}
