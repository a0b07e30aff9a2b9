package horizon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
)

// A view is the database of a follower in a bubble.
type view struct {
	floor
	sight
	began  time.Time
	looks  []time.Duration
	fills  []time.Duration
	hangs  bool // it does not answer, until who asks gives up
	fails  error
	follow *Follower
	resets int
	blocks []int64 // that were listed to listeners
}

func (v *view) answer(ctx context.Context, asked *[]time.Duration) error {
	v.Lock()
	*asked = append(*asked, time.Since(v.began))
	hangs, err := v.hangs, v.fails
	v.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (v *view) look(ctx context.Context) (sight, error) {
	err := v.answer(ctx, &v.looks)
	v.Lock()
	defer v.Unlock()
	return v.sight, err
}

// announce lets the bus bring that P is there.
func (v *view) announce(t *testing.T, p int64) {
	t.Helper()
	require.NoError(t, v.follow.bus.PublishHorizon(t.Context(), bus.Horizon{Generation: 1, Prev: p, P: p}))
	v.pass(0)
}

// following runs a test in a bubble, of a follower that runs until then, is attended, and has begun at P = 10.
func following(t *testing.T, test func(t *testing.T, v *view)) {
	t.Helper()
	t.Parallel()
	inBubble(t, func(t *testing.T, v *view) {
		v.follow.Attend()
		v.pass(0)
		test(t, v)
	})
}

// inBubble is following, but nobody attends.
func inBubble(t *testing.T, test func(t *testing.T, v *view)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := NewFollower(nil, bus.Local())
		<-time.After(time.Second)
		v := &view{sight: sight{p: 10, generation: 1, alive: true}, began: time.Now(), follow: f}
		f.look = v.look
		f.blocks = func(ctx context.Context, above, upto int64) ([]bus.BlockIndex, bool, error) {
			return indexOf(above, upto), false, v.answer(ctx, &v.fills)
		}
		f.OnAdvance(func(a Advance) {
			v.blocks = append(v.blocks, listed(a.Blocks)...)
			if a.Reset {
				v.resets++
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		defer func() {
			v.Unlock()
			cancel()
			require.NoError(t, <-done)
		}()
		v.Lock()
		v.pass(0)
		require.EqualValues(t, 10, f.P())
		require.Equal(t, []time.Duration{0}, v.looks)
		require.True(t, f.Fresh())
		test(t, v)
	})
}

// indexOf lists the blocks in (above, upto].
func indexOf(above, upto int64) (all []bus.BlockIndex) {
	for b := above + 1; b <= upto; b++ {
		all = append(all, bus.BlockIndex{Block: b})
	}
	return all
}

func TestAFollowerAsksTheDatabaseOnlyWhileTheBusIsSilent(t *testing.T) {
	following(t, func(t *testing.T, v *view) {
		for range 40 {
			v.announce(t, 10)
			v.pass(250 * time.Millisecond)
		}
		require.Len(t, v.looks, 1)
		v.announce(t, 10)
		v.looks, v.began = nil, time.Now()
		v.pass(2 * time.Second)
		require.NotEmpty(t, v.looks)
		require.Equal(t, 600*time.Millisecond, v.looks[0])
		require.Equal(t, each(5, 250*time.Millisecond), gaps(v.looks))
		require.True(t, v.follow.Fresh())
	})
}

func TestPIsFreshForASecond(t *testing.T) {
	following(t, func(t *testing.T, v *view) {
		v.fails = errors.New("no database")
		v.announce(t, 10)
		v.pass(time.Second - 1)
		require.True(t, v.follow.Fresh())
		v.pass(1)
		require.False(t, v.follow.Fresh())
		v.announce(t, 10)
		require.False(t, v.follow.Fresh(), "what ends a silence may be as old as that")
		v.fails = nil
		v.announce(t, 10)
		require.True(t, v.follow.Fresh(), "the database is asked then, at once")
	})
}

func TestARowIsAsFreshAsTheOldestBlockThatItDoesNotCover(t *testing.T) {
	following(t, func(t *testing.T, v *view) {
		v.age = 300 * time.Millisecond
		v.pass(time.Second)
		require.True(t, v.follow.Fresh())
		v.fails = errors.New("no database")
		at := v.looks[len(v.looks)-1] - time.Since(v.began) // ago
		v.pass(700*time.Millisecond + at - 1)
		require.True(t, v.follow.Fresh())
		v.pass(1)
		require.False(t, v.follow.Fresh())
		v.fails, v.alive = nil, false
		v.pass(10 * time.Second)
		require.False(t, v.follow.Fresh(), "nobody announces")
		v.alive = true
		v.pass(250 * time.Millisecond)
		require.True(t, v.follow.Fresh())
	})
}

// P is stale meanwhile, and the bus is heard again after it.
func TestADatabaseThatDoesNotAnswerTakesTwoSecondsOfAFollower(t *testing.T) {
	following(t, func(t *testing.T, v *view) {
		v.hangs = true
		v.pass(10 * time.Second)
		require.Equal(t, each(4, 2250*time.Millisecond), first(4, gaps(v.looks[1:])))
		v.hangs = false
		v.pass(2250 * time.Millisecond)
		require.True(t, v.follow.Fresh())

		v.hangs, v.began = true, time.Now()
		require.NoError(t, v.follow.bus.PublishHorizon(t.Context(), bus.Horizon{Generation: 1, Prev: 2047, P: 3071})) // of which a block was missed
		v.pass(0)
		require.Equal(t, []time.Duration{0}, v.fills)
		v.pass(2*time.Second - 1)
		v.hangs = false
		require.EqualValues(t, 10, v.follow.P())
		v.p = 3071
		v.pass(250*time.Millisecond + 1)
		require.EqualValues(t, 3071, v.follow.P(), "another attempt")
	})
}

// What is heard after an hour's absence is too much to fill; an hour in which P only did not move is none.
func TestAFollowerThatWasAwayForAnHourBeginsAnew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		away, stood time.Duration
		reset       bool
	}{{time.Hour, time.Hour, false}, {time.Hour + 1, time.Hour + 1, true}, {time.Second, 5 * time.Hour, false}} {
		synctest.Test(t, func(t *testing.T) {
			f := NewFollower(nil, bus.Local())
			f.blocks = func(context.Context, int64, int64) ([]bus.BlockIndex, bool, error) { return nil, false, nil }
			resets := 0
			f.OnAdvance(func(a Advance) {
				if a.Reset {
					resets++
				}
			})
			<-time.After(time.Second)
			f.generation, f.movedAt = 1, time.Now()
			<-time.After(c.stood - c.away)
			f.hear()
			<-time.After(c.away)
			require.NoError(t, f.move(t.Context(), 1, 20))
			require.Equal(t, c.reset, resets == 1)
			require.EqualValues(t, 20, f.P())
		})
	}
}
