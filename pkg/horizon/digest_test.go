package horizon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
)

// What a process receives that serves nobody does not grow with the number of announcements: it is woken four times a
// second, and the index is all that comes with a block.
func TestWhoServesNobodyIsToldFourTimesASecond(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) { s.generation = 1 }, func(t *testing.T, s *stage, a *Announcer, _ func() time.Duration) {
		var digests []bus.Horizon
		var announced, each []int64 // blocks, and in which announcement
		stop := start(t, a.cfg.Bus.Subscribe(bus.Handler{
			Digest: func(h bus.Horizon) { digests = append(digests, h) }, Horizon: func(h bus.Horizon) {
				announced, each = append(announced, listed(h.Blocks)...), append(each, h.P)
			},
		}).Run)
		s.pass(250 * time.Millisecond)
		digests, announced, each = nil, nil, nil
		for block := range int64(2000) { // one each ms
			s.committed = append(s.committed, block+1)
			a.Poke()
			s.pass(time.Millisecond)
		}
		require.InDelta(t, 400, len(each), maxBurst)
		s.pass(250 * time.Millisecond)
		require.Equal(t, listed(indexOf(0, 2000)), announced, "who knows no digests misses nothing")
		require.InDelta(t, 2250/250, len(digests), 1)
		var blocks []int64
		for i, h := range digests {
			blocks = append(blocks, listed(h.Blocks)...)
			if i > 0 {
				require.Equal(t, digests[i-1].P, h.Prev)
			}
		}
		require.Equal(t, listed(indexOf(0, 2000)), blocks)

		digests = nil
		s.pass(10 * time.Second) // it is fresh
		require.Len(t, digests, 40)
		stop()
	})
}

// What moved P last is in a digest a quarter of a second after the one before, also if nothing happens any more.
func TestADigestIsNotLateByMoreThanItsSpacing(t *testing.T) {
	t.Parallel()
	onStage(t, nil, func(t *testing.T, s *stage, a *Announcer, _ func() time.Duration) {
		s.pass(10 * time.Millisecond)
		var digests []int64
		stop := start(t, a.cfg.Bus.Subscribe(bus.Handler{Digest: func(h bus.Horizon) { digests = append(digests, h.P) }}).Run)
		s.pass(200 * time.Millisecond)
		s.committed = []int64{1}
		a.Poke()
		s.pass(40*time.Millisecond - 1)
		require.Empty(t, digests)
		s.pass(1)
		require.Equal(t, []int64{end(1)}, digests)
		stop()
	})
}

func TestADigestIsDueAsItsRoundFoundP(t *testing.T) {
	t.Parallel()
	began := time.Unix(1, 0)
	at := func(d time.Duration) time.Time { return began.Add(d) }
	moved := func(from, to int64, held bool) step { return step{Horizon: between(from, to), held: held} }
	var d digest
	add := func(after time.Duration, s step) *bus.Horizon {
		if h, due := d.add(at(after), s); due {
			return &h
		}
		return nil
	}
	require.Equal(t, between(0, 1), *add(0, moved(0, 1, false)))
	require.Nil(t, add(digestSpacing-1, moved(1, 2, false)))
	require.Equal(t, time.Duration(1), d.left(at(digestSpacing-1)))
	require.Equal(t, between(1, 3), *add(digestSpacing, moved(2, 3, false)))

	// A P that stands because a block in flight holds it back is not fresh: nothing is said of it.
	require.Nil(t, add(2*digestSpacing, moved(3, 3, true)))
	require.Equal(t, between(3, 4), *add(2*digestSpacing+1, moved(3, 4, true)))
	require.Nil(t, add(3*digestSpacing, moved(4, 5, true)))
	require.Nil(t, add(3*digestSpacing+1, moved(5, 5, true)))
	require.Equal(t, between(4, 5), *add(3*digestSpacing+1, moved(5, 5, false)))

	// A large one is told early.
	require.Nil(t, add(3*digestSpacing+2, moved(5, 6, false)))
	large := moved(6, 7, false)
	large.Blocks[0].Rooms = make([]uint64, maxRooms)
	require.Len(t, add(3*digestSpacing+3, large).Blocks, 2)
	require.Len(t, add(3*digestSpacing+4, moved(7, 7+maxBlocks, false)).Blocks, maxBlocks)

	// Generations are not joined.
	require.Nil(t, add(3*digestSpacing+5, moved(600, 601, false)))
	another := moved(700, 701, false)
	another.Generation = 2
	require.Equal(t, another.Horizon, *add(5*digestSpacing, another))
}

// The outbox and whoever else has the same step may append to its blocks, too.
func TestADigestKeepsItsBlocksToItself(t *testing.T) {
	t.Parallel()
	s := step{Horizon: between(0, 1)}
	s.Blocks = append(make([]bus.BlockIndex, 0, 8), s.Blocks...)
	var d digest
	d.told = time.Unix(1, 0)
	_, due := d.add(d.told, s)
	require.False(t, due)
	others := append(s.Blocks, bus.BlockIndex{Block: 9})
	_, due = d.add(d.told, step{Horizon: between(1, 2)})
	require.False(t, due)
	require.EqualValues(t, 9, others[1].Block)
	require.Equal(t, []int64{1, 2}, listed(d.pending.Blocks))
}
