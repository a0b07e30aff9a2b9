package horizon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// between is what the bus says of the blocks in (from, to]; from 0: since the P that followers in a bubble begin at.
func between(from, to int64) bus.Horizon {
	h := bus.Horizon{Generation: 1, Prev: 10, P: end(to), Blocks: indexOf(from, to)}
	if from > 0 {
		h.Prev = end(from)
	}
	return h
}

func (v *view) tell(t *testing.T, from, to int64) {
	t.Helper()
	require.NoError(t, v.follow.bus.PublishHorizon(t.Context(), between(from, to)))
	v.pass(0)
}

func (v *view) digest(t *testing.T, from, to int64) {
	t.Helper()
	require.NoError(t, v.follow.bus.PublishDigest(t.Context(), between(from, to)))
	v.pass(0)
}

// Whatever it misses while it changes from one to the other it reads, and it lists no block twice.
func TestAFollowerHearsEachPWhileItIsAttendedAndDigestsElse(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, v *view) {
		f := v.follow
		v.digest(t, 0, 2)
		v.tell(t, 2, 3)
		require.Equal(t, end(2), int64(f.P()), "nobody waits for more")
		require.True(t, f.Fresh())
		require.False(t, f.Prompt())

		leave := f.Attend()
		v.pass(0)
		require.False(t, f.Prompt(), "block 3 is not known yet")
		v.tell(t, 3, 4)
		require.Equal(t, end(4), int64(f.P()))
		require.True(t, f.Prompt())
		require.Len(t, v.fills, 1)

		v.digest(t, 4, 5)
		require.Equal(t, end(4), int64(f.P()), "it hears one of the two")
		v.tell(t, 4, 5)
		leave()
		for range 4 * 60 {
			require.True(t, f.Prompt())
			v.tell(t, 5, 5)
			v.digest(t, 5, 5)
			v.pass(250 * time.Millisecond)
		}
		v.pass(1)
		v.tell(t, 5, 5) // more than a minute has passed
		require.False(t, f.Prompt())
		v.tell(t, 5, 6)
		require.Equal(t, end(5), int64(f.P()))
		v.digest(t, 3, 7)
		require.Equal(t, end(7), int64(f.P()))
		require.True(t, f.Fresh())

		leave = f.Attend()
		v.pass(0)
		v.tell(t, 7, 8)
		require.Equal(t, end(8), int64(f.P()))
		leave()
		require.Len(t, v.fills, 1)
		require.Len(t, v.looks, 1)
		require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8}, v.blocks)
	})
}

// So it does not wait for the next block, or a quarter of a second.
func TestWhoBeginsToAttendIsToldAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, v *view) {
		pokes := 0
		stop := start(t, v.follow.bus.Subscribe(bus.Handler{Poke: func() { pokes++ }}).Run)
		v.digest(t, 0, 2)
		require.Zero(t, pokes)
		v.follow.Attend()
		v.pass(0)
		require.Equal(t, 1, pokes)
		v.follow.Attend()
		v.pass(0)
		require.Equal(t, 1, pokes)
		stop()
	})
}

// While images are replaced, an announcer of the build before may tell no digests.
func TestWithoutDigestsEachPIsHeard(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, v *view) {
		for block := range int64(40) {
			v.tell(t, block, block+1)
			v.pass(250 * time.Millisecond)
			require.True(t, v.follow.Fresh())
		}
		require.Equal(t, end(40), int64(v.follow.P()))
		require.Len(t, v.looks, 4, "the row only until then")
		require.Len(t, v.fills, 1)
		require.Equal(t, listed(indexOf(0, 40)), v.blocks)
	})
}

func TestAnAttendedFollowerIsPromptWithoutTheBusToo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, v *view) {
		v.follow.Attend()
		v.pass(250 * time.Millisecond)
		require.True(t, v.follow.Prompt(), "the row was read since")
		v.alive = false
		v.pass(time.Second)
		require.False(t, v.follow.Prompt(), "P is not fresh")
	})
}

// Blocks are committed, and told, all the while.
func TestNoBlockIsMissedWhereSomebodyBeginsToAttend(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn, b := connect(t, uri), bus.Local()
	before := commitBlock(t, conn)
	a := NewAnnouncer(AnnouncerConfig{Source: postgres.At(uri), Pool: openPool(t, uri), Bus: b, WorkerID: 1})
	start(t, a.Run)
	f := NewFollower(openPool(t, uri), b)
	advances := make(chan Advance, 1000)
	f.OnAdvance(func(a Advance) { advances <- a })
	start(t, f.Run)
	require.NoError(t, f.Wait(t.Context(), position.BlockEnd(before)))
	require.True(t, receive(t, advances).Reset)
	for len(advances) > 0 {
		<-advances
	}
	from, want, last := int64(f.P()), []int64{}, before
	for i := range 300 {
		if i == 100 {
			defer f.Attend()()
		}
		last = commitBlock(t, conn, "!a:x")
		want = append(want, last)
		a.Poke()
	}
	require.Equal(t, want, reach(t, advances, from, end(last)))
	f.AwaitPrompt(t.Context())
	require.Eventually(t, f.Prompt, patience, minSpacing)
}
