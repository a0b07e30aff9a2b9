package processes_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// metric reads one sample of a worker's metrics, 0 if it has none of that name.
func (w *worker) metric(t *testing.T, name string) float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	all, err := w.Metrics(ctx)
	require.NoError(t, err)
	return all[name]
}

// What the shards' next owner starts with comes from their owner, and is what the table goes on from: when a worker has
// come, and when one goes.
func TestPlannedMovesCopyRooms(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	old, front := h.start("persister"), h.start("gateway,client")
	h.settle(front, old)
	alice := register(t, front, "alice")
	var rooms []string
	for range 16 {
		rooms = append(rooms, alice.createRoom())
	}
	send := func(text string) {
		for _, room := range rooms {
			_, err := alice.send(t.Context(), room, text)
			require.NoError(t, err)
		}
	}
	next := h.start("persister")
	copied := func(outcome string) float64 {
		return next.metric(t, `myelin_persister_copies_total{outcome="`+outcome+`"}`)
	}
	h.settle(front, old, next)
	send("in use")
	some := copied("used")
	old.terminate(t)
	h.settle(front, next)
	send("moved")
	t.Logf("%v rooms came when the worker did, %v when the other went", some, copied("used")-some)
	require.Positive(t, copied("used"))
	require.Zero(t, copied("refused"))
}
