package horizon

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func TestHorizonNeverPassesAnOpenBlock(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	c := newCloser(t, uri, 1)
	slow, quick := connect(t, uri), connect(t, uri)

	s := c.must(t)
	require.Equal(t, []int64{0, 0}, []int64{s.Prev, s.P})

	open, first := openBlock(t, slow, "!slow:x")
	second := commitBlock(t, quick, "!quick:x")
	require.Less(t, first, second)
	s = c.must(t)
	require.Zero(t, s.P, "the first block is open")
	require.True(t, s.held)

	require.NoError(t, open.Commit(t.Context()))
	s = c.must(t)
	require.Equal(t, end(second), s.P)
	require.False(t, s.held)
	require.Equal(t, []bus.BlockIndex{
		{Block: first, Rooms: []uint64{bus.RoomHash("!slow:x")}, UserShards: []uint16{3}, Revoked: [][]byte{}},
		{Block: second, Rooms: []uint64{bus.RoomHash("!quick:x")}, UserShards: []uint16{3}, Revoked: [][]byte{}},
	}, s.Blocks)

	// A block at the number that an open one registered with is settled.
	third := commitBlock(t, quick)
	open, _ = openBlock(t, slow)
	commitBlock(t, quick)
	require.Equal(t, end(third), c.must(t).P)

	// An aborted block is a gap that P steps over.
	require.NoError(t, open.Rollback(t.Context()))
	s = c.must(t)
	require.Equal(t, end(third+2), s.P)
	require.Equal(t, []int64{third + 2}, listed(s.Blocks))
	s = c.must(t)
	require.Equal(t, s.Prev, s.P)
	require.Empty(t, s.Blocks)
}

// Random writers hold blocks open over random numbers of rounds, commit or abort. Whatever was announced as the rows at
// or below P must be all that are ever there, each listed once.
func TestNoRowAppearsAtOrBelowTheHorizon(t *testing.T) {
	t.Parallel()
	const writers, each = 6, 40
	uri := pgtest.New(t)
	c := newCloser(t, uri, 1)
	ctx := t.Context()

	round := make(chan struct{}) // one value a round, to whoever waits
	finished := make(chan struct{})
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for w := range writers {
		conn := connect(t, uri)
		random := rand.New(rand.NewPCG(uint64(w), 7))
		wg.Go(func() {
			errs <- func() error {
				for range each {
					tx, _, err := beginBlock(ctx, conn, "!r:x")
					if err != nil {
						return err
					}
					for range random.IntN(4) {
						<-round
					}
					if random.IntN(5) == 0 {
						err = tx.Rollback(ctx)
					} else {
						err = tx.Commit(ctx)
					}
					if err != nil {
						return err
					}
				}
				return nil
			}()
		})
	}
	go func() { wg.Wait(); close(finished) }()

	reader := connect(t, uri)
	visible := func(p position.Position) (blocks []int64) {
		rows, err := reader.Query(context.WithoutCancel(ctx), `SELECT block FROM stream_block WHERE block <= $1 ORDER BY block`, p.Block())
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var b int64
			require.NoError(t, rows.Scan(&b))
			blocks = append(blocks, b)
		}
		require.NoError(t, rows.Err())
		return blocks
	}
	var announced []int64
	type sight struct {
		p   position.Position
		len int
	}
	var sights []sight
	for running := true; running; {
		s := c.must(t)
		announced = append(announced, listed(s.Blocks)...)
		sights = append(sights, sight{position.Position(s.P), len(visible(position.Position(s.P)))})
		require.Len(t, announced, sights[len(sights)-1].len)
		select {
		case round <- struct{}{}:
		case <-finished:
			running = false
		}
	}
	for range writers {
		require.NoError(t, <-errs)
	}
	last := c.must(t)
	announced = append(announced, listed(last.Blocks)...)
	require.Equal(t, visible(1<<50), announced)
	for _, s := range sights {
		require.Len(t, visible(s.p), s.len, "a row appeared at or below %d", s.p)
	}
}

func TestIndexIsCutAndContinued(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn := connect(t, uri)
	_, err := conn.Exec(t.Context(), `SELECT block_begin(0, 'room', '{}', '{}', 1, ARRAY['!a:x'], '{}', '{}') FROM generate_series(1, $1)`, maxBlocks+10)
	require.NoError(t, err)
	c := newCloser(t, uri, 1)
	s := c.must(t)
	require.True(t, s.more)
	require.Len(t, s.Blocks, maxBlocks)
	require.Equal(t, end(maxBlocks), s.P)
	s = c.must(t)
	require.False(t, s.more)
	require.Len(t, s.Blocks, 10)

	big := make([]string, maxRooms)
	for range 2 {
		commitBlock(t, conn, big...)
	}
	s = c.must(t)
	require.True(t, s.more)
	require.Len(t, s.Blocks, 1)
	require.Len(t, c.must(t).Blocks, 1)
}

func TestDeposedAnnouncerCannotMoveTheHorizon(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn := connect(t, uri)
	old := newCloser(t, uri, 1)
	_, err := begin(t.Context(), conn, 2)
	require.ErrorIs(t, err, errDeposed, "the term still runs")

	commitBlock(t, conn)
	first := old.must(t)
	require.NoError(t, old.term.resign(t.Context(), old.conn))
	next := newCloser(t, uri, 2)
	require.Equal(t, first.P, int64(next.p), "a term starts where the last one ended")
	require.Equal(t, old.term.number+1, next.term.number)

	commitBlock(t, conn)
	_, err = old.step(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, old.save(t.Context()), errDeposed)
	require.ErrorIs(t, old.term.renew(t.Context(), old.conn), errDeposed)
	var p int64
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT position FROM horizon`).Scan(&p))
	require.Equal(t, first.P, p)
	require.NoError(t, next.term.renew(t.Context(), next.conn))
	require.Greater(t, next.must(t).P, first.P)
}

func TestStuckBlockLosesItsBackend(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	pgtest.OwnClock(t, uri, time.Now())
	c := newCloser(t, uri, 1)
	slow, young := connect(t, uri), connect(t, uri)
	tx, _ := openBlock(t, slow)
	other, _ := openBlock(t, young)
	var began time.Time
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT now()`).Scan(&began))
	require.NoError(t, pgtest.SetClock(t.Context(), c.conn, began.Add(stuckAfter+time.Microsecond)))
	second := commitBlock(t, connect(t, uri))
	require.Zero(t, c.must(t).P)

	n, err := c.terminateStuck(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Error(t, tx.Commit(t.Context()))
	require.NoError(t, other.Commit(t.Context()), "a young block keeps its backend")
	require.Eventually(t, func() bool { return c.must(t).P == end(second) }, patience, minSpacing)
}

func TestPruneDropsOldBlocksOnly(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn := connect(t, uri)
	_, err := conn.Exec(t.Context(), `SELECT block_begin(0, 'room', '{}', '{}', 1, '{}', '{}', '{}') FROM generate_series(1, $1)`, pruneBatch+30)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `UPDATE stream_block SET committed_at = committed_at - $1::interval WHERE block <= $2`, keepBlocks, pruneBatch+10)
	require.NoError(t, err)
	a := NewAnnouncer(AnnouncerConfig{Source: postgres.At(uri), Pool: openPool(t, uri), Bus: bus.Local(), WorkerID: 1})
	require.NoError(t, a.pruneOnce(t.Context()))
	var lowest, n int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT min(block), count(*) FROM stream_block`).Scan(&lowest, &n))
	require.Equal(t, []int{pruneBatch + 11, 20}, []int{lowest, n})
}
