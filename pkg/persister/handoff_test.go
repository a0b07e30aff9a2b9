package persister

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHandoffFailsNoWrite(t *testing.T) {
	t.Parallel()
	a := newPersister(t)
	room := a.newRoom(t)
	s := a.leases.ShardOf(room)
	require.NoError(t, a.Quiesce(t.Context(), s))

	// What comes now waits.
	replies := make(chan reply, 1)
	go func() { replies <- a.send(t, room, alice, "waits") }()
	awaitWaiting(t, a.lane(s), 1)
	require.Zero(t, messages(t, a.db, room))

	b := a.db.start(t, a.db.join(t), nil)
	require.NoError(t, a.leases.Refresh(t.Context()))
	a.Lost(s)
	got := <-replies
	require.Equal(t, 421, got.status)
	require.Equal(t, 200, b.send(t, room, alice, "waits").status)
}

func TestHandoffThatIsCalledOffGoesOn(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	s := p.leases.ShardOf(room)
	require.NoError(t, p.Quiesce(t.Context(), s))
	replies := make(chan reply, 1)
	go func() { replies <- p.send(t, room, alice, "waits") }()
	awaitWaiting(t, p.lane(s), 1)
	p.Granted(s, 1)
	require.Equal(t, 200, (<-replies).status)
}

func TestQuiesceWaitsForTheBlockInFlight(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	s := p.leases.ShardOf(room)
	release := p.db.block(t)
	replies := make(chan reply, 1)
	go func() { replies <- p.send(t, room, alice, "one") }()
	p.db.awaitBlocked(t)

	impatient, cancel := context.WithCancel(t.Context())
	quiesced := make(chan error, 1)
	go func() { quiesced <- p.Quiesce(impatient, s) }()
	cancel()
	require.ErrorIs(t, <-quiesced, context.Canceled)

	go func() { quiesced <- p.Quiesce(t.Context(), s) }()
	release()
	require.NoError(t, <-quiesced)
	require.Equal(t, 1, messages(t, p.db, room))
	require.Equal(t, 200, (<-replies).status)
}

func TestQuiesceOfAStoppedPersisterIsQuiet(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	require.NoError(t, p.stop())
	require.NoError(t, p.Quiesce(t.Context(), 3))
	room := newRoomRequest(t, -5)
	require.Equal(t, 503, p.call(t.Context(), alice, "r", "POST", CreateRoomPath, room).status)
}
