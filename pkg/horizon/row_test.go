package horizon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// A long transaction keeps the dead versions of the row, so it is written a few times a second, however often P moves.
func TestTheRowIsWrittenSeldomAndInTheEnd(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := &closer{p: 10, generation: 1, row: row{position: 10, generation: 1, written: now}}
	_, due := c.rowLeft(now.Add(time.Hour))
	require.False(t, due, "nothing has changed")
	c.p = 11
	left, due := c.rowLeft(now.Add(rowSpacing / 4))
	require.True(t, due)
	require.Equal(t, rowSpacing*3/4, left)
	left, due = c.rowLeft(now.Add(2 * rowSpacing))
	require.True(t, due)
	require.Zero(t, left)
	c.p, c.generation = 10, 2
	left, due = c.rowLeft(now)
	require.True(t, due)
	require.Zero(t, left, "another generation is written down at once")
}

// Who hears nothing comes to every P by the row, the last one included, after which nobody wakes the announcer.
func TestWhoHearsNothingReadsTheRow(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn := connect(t, uri)
	a := NewAnnouncer(AnnouncerConfig{Source: postgres.At(uri), Pool: openPool(t, uri), Bus: bus.Local(), WorkerID: 1})
	start(t, a.Run)
	_, advances := follow(t, uri, bus.Local())
	require.True(t, receive(t, advances).Reset)
	want, last := []int64{}, int64(0)
	for range 30 {
		last = commitBlock(t, conn)
		want = append(want, last)
		a.Poke()
	}
	require.Equal(t, want, reach(t, advances, 0, end(last)))
}

// A generation begins with a barrier: a jump of the sequence, and a block of its own above it, which makes P cover every
// token of the life before.
func TestABarrierMovesPAboveTheJump(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn := connect(t, uri)
	commitBlock(t, conn)
	b := bus.Local()
	a := NewAnnouncer(AnnouncerConfig{Source: postgres.At(uri), Pool: openPool(t, uri), Bus: b, WorkerID: 1})
	start(t, a.Run)
	_, advances := follow(t, uri, b)
	require.True(t, receive(t, advances).Reset)

	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE cluster_state SET generation = 2`)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT setval('stream_seq', (SELECT last_value FROM stream_seq) + (1 << 24))`)
	require.NoError(t, err)
	var block int64
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT block_begin(0, 'room', '{}', '{}', 2, '{}', '{}', '{}')`).Scan(&block))
	require.Greater(t, block, int64(1<<24))
	require.NoError(t, tx.Commit(t.Context()))
	for {
		adv := receive(t, advances)
		if adv.Generation == 2 && int64(adv.P) == end(block) {
			break
		}
		require.Less(t, int64(adv.P), end(block), "the block of the barrier under the generation before it")
	}
}

// Without a block, too, followers hear of another generation.
func TestAGenerationIsAnnouncedWithoutABlock(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn, b := connect(t, uri), bus.Local()
	commitBlock(t, conn)
	for _, heard := range []*bus.Bus{b, bus.Local()} { // by the bus, and by the row
		a := NewAnnouncer(AnnouncerConfig{Source: postgres.At(uri), Pool: openPool(t, uri), Bus: b, WorkerID: 1})
		stop := start(t, a.Run)
		_, advances := follow(t, uri, heard)
		first := receive(t, advances)
		require.True(t, first.Reset)
		_, err := conn.Exec(t.Context(), `UPDATE cluster_state SET generation = generation + 1`)
		require.NoError(t, err)
		for adv := receive(t, advances); adv.Generation == first.Generation; adv = receive(t, advances) {
			require.False(t, adv.Reset)
		}
		stop()
	}
}
