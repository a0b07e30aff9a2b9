package horizon

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/position"
)

// A stage is the database of an announcer in a bubble: the leader row, and a session to announce on, which notes when it
// is asked for what.
type stage struct {
	floor
	closer
	began time.Time
	until time.Time // when the term of the row ends
	held  bool      // a block in flight holds P back
	// committed are blocks that no round has found yet.
	committed []int64
	asked     map[string][]time.Duration
	hangs     map[string]bool // it does not answer, until whoever asks gives up
	fails     map[string]error
}

func (s *stage) note(ctx context.Context, what string) error {
	s.Lock()
	s.asked[what] = append(s.asked[what], time.Since(s.began))
	hangs, err := s.hangs[what], s.fails[what]
	s.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (s *stage) termLeft(ctx context.Context) (time.Duration, error) {
	err := s.note(ctx, "look")
	s.Lock()
	defer s.Unlock()
	return max(0, time.Until(s.until)), err
}

func (s *stage) begin(ctx context.Context) (session, error) {
	return s, s.extend(s.note(ctx, "begin"))
}

func (s *stage) renew(ctx context.Context) error { return s.extend(s.note(ctx, "renew")) }

func (s *stage) extend(err error) error {
	s.Lock()
	defer s.Unlock()
	if err == nil {
		s.until = time.Now().Add(time.Second)
	}
	return err
}

func (s *stage) step(ctx context.Context) (step, error) {
	err := s.note(ctx, "step")
	s.Lock()
	defer s.Unlock()
	h := bus.Horizon{Generation: s.generation, Prev: int64(s.p), P: int64(s.p)}
	for _, block := range s.committed {
		h.P, h.Blocks = end(block), append(h.Blocks, bus.BlockIndex{Block: block})
	}
	s.p, s.committed = position.Position(h.P), nil
	return step{Horizon: h, held: s.held}, err
}

func (s *stage) rowLeft(now time.Time) (time.Duration, bool) {
	s.Lock()
	defer s.Unlock()
	return s.closer.rowLeft(now)
}

func (s *stage) save(ctx context.Context) error {
	err := s.note(ctx, "save")
	s.Lock()
	defer s.Unlock()
	s.row = row{position: s.p, generation: s.generation, written: time.Now()}
	return err
}

func (s *stage) terminateStuck(ctx context.Context) (int, error) { return 0, s.note(ctx, "end") }

func (s *stage) resign(ctx context.Context) error { return s.note(ctx, "resign") }

func (s *stage) close(ctx context.Context) { _ = s.note(ctx, "close") }

func (s *stage) prune(ctx context.Context) error { return s.note(ctx, "prune") }

// onStage runs a test in a bubble, of an announcer that runs until stop or the test's end.
func onStage(t *testing.T, set func(*stage), test func(t *testing.T, s *stage, a *Announcer, stop func() time.Duration)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{began: time.Now(), asked: map[string][]time.Duration{}, hangs: map[string]bool{}, fails: map[string]error{}}
		if set != nil {
			set(s)
		}
		a := NewAnnouncer(AnnouncerConfig{Bus: bus.Local(), Log: slog.New(slog.DiscardHandler)})
		a.termLeft, a.begin, a.prune = s.termLeft, s.begin, s.prune
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		stop := func() time.Duration {
			s.Unlock()
			defer s.Lock()
			stopped := time.Now()
			cancel()
			require.NoError(t, <-done)
			done <- nil
			return time.Since(stopped)
		}
		s.Lock()
		defer stop()
		s.pass(0)
		test(t, s, a, stop)
	})
}

func TestAQuietAnnouncerRepeatsItselfAndKeepsItsTerm(t *testing.T) {
	t.Parallel()
	onStage(t, nil, func(t *testing.T, s *stage, _ *Announcer, _ func() time.Duration) {
		s.pass(3 * time.Second)
		require.Equal(t, each(12, 250*time.Millisecond), gaps(s.asked["step"]))
		require.Equal(t, each(5, 500*time.Millisecond), first(5, gaps(append([]time.Duration{0}, s.asked["renew"]...))), "the first round after 300 ms")
		require.Len(t, s.asked["begin"], 1)
		require.Empty(t, s.asked["save"], "the row says it already")
	})
}

// Whoever is late with a round by less than the pause that is left of the term does not lose it.
func TestATermIsRenewedThreeTimesBeforeItEnds(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) { s.held = true }, func(t *testing.T, s *stage, _ *Announcer, _ func() time.Duration) {
		s.pass(3 * time.Second)
		require.Equal(t, each(9, 300*time.Millisecond), first(9, gaps(append([]time.Duration{0}, s.asked["renew"]...))))
		require.Less(t, 3*300*time.Millisecond, leaderTTL)
	})
}

func TestAnAnnouncerLooksOftenWhileABlockHoldsPAndEndsItsBackend(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) { s.held = true }, func(t *testing.T, s *stage, _ *Announcer, _ func() time.Duration) {
		s.pass(2 * time.Second)
		require.Equal(t, each(100, 20*time.Millisecond), gaps(s.asked["step"]))
		require.Equal(t, []time.Duration{1000 * time.Millisecond, 1260 * time.Millisecond, 1520 * time.Millisecond, 1780 * time.Millisecond}, s.asked["end"],
			"after a second, and again in the first round after 250 ms")
	})
}

func TestPokesMakeRoundsAtOnceButNoMoreThanTwoHundredASecond(t *testing.T) {
	t.Parallel()
	onStage(t, nil, func(t *testing.T, s *stage, a *Announcer, _ func() time.Duration) {
		s.pass(10 * time.Millisecond)
		rounds := len(s.asked["step"])
		require.True(t, a.Poke(), "nobody else has to be told")
		s.pass(0)
		require.Len(t, s.asked["step"], rounds+1, "who sends in a quiet homeserver does not wait")
		s.pass(100 * time.Millisecond)
		rounds = len(s.asked["step"])
		for range 1000 {
			a.Poke()
			s.pass(time.Millisecond)
		}
		require.InDelta(t, 200, len(s.asked["step"])-rounds, maxBurst)
	})
}

func TestTheRowFollowsPThatMoved(t *testing.T) {
	t.Parallel()
	onStage(t, nil, func(t *testing.T, s *stage, a *Announcer, _ func() time.Duration) {
		for block := range int64(100) { // every 10 ms
			s.p = position.BlockEnd(block)
			a.Poke()
			s.pass(10 * time.Millisecond)
		}
		require.Equal(t, each(9, 100*time.Millisecond), first(9, gaps(s.asked["save"])))
		s.pass(100 * time.Millisecond) // nobody pokes any more
		require.Equal(t, s.p, s.row.position, "the last P too")
	})
}

func TestASessionOnWhichARoundTakesTooLongIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"step", "renew", "save", "end"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) { s.held = what == "end" }, func(t *testing.T, s *stage, a *Announcer, _ func() time.Duration) {
				s.pass(time.Millisecond)
				s.hangs[what] = true
				s.p++
				a.Poke()
				s.pass(1300 * time.Millisecond)
				require.NotEmpty(t, s.asked[what])
				since := s.asked[what][len(s.asked[what])-1]
				s.pass(2*time.Second - time.Since(s.began) + since - time.Millisecond)
				require.Empty(t, s.asked["close"])
				s.pass(time.Millisecond)
				require.Equal(t, []time.Duration{since + 2*time.Second}, s.asked["close"])
				s.hangs[what] = false
				s.pass(leaderTTL + retryAfter*3/2)
				require.Len(t, s.asked["begin"], 2, "and another is tried")
			})
		})
	}
}

// A database that does not answer takes from an announcer two seconds at a time, and is asked again after a quarter of a
// second or so.
func TestWhoCannotBeginATermTriesAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		limit time.Duration
	}{{"look", time.Second}, {"begin", 2 * time.Second}} {
		for _, hangs := range []bool{true, false} {
			set := func(s *stage) { s.hangs[c.what], s.fails[c.what] = hangs, errors.New("no") }
			onStage(t, set, func(t *testing.T, s *stage, _ *Announcer, _ func() time.Duration) {
				s.pass(time.Minute)
				between := gaps(s.asked[c.what])
				require.Greater(t, len(between), 10)
				for _, gap := range between {
					if hangs {
						gap -= c.limit
					}
					require.GreaterOrEqual(t, gap, 125*time.Millisecond)
					require.LessOrEqual(t, gap, 375*time.Millisecond)
				}
			})
		}
	}
}

func TestAnotherAnnouncersTermIsWaitedForAndNoLonger(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) { s.until = s.began.Add(700 * time.Millisecond) }, func(t *testing.T, s *stage, _ *Announcer, _ func() time.Duration) {
		s.pass(700*time.Millisecond - 1)
		require.Equal(t, []time.Duration{0}, s.asked["look"])
		s.pass(50*time.Millisecond + 1)
		require.Len(t, s.asked["begin"], 1)
	})
	// The database's clock was set back: the term that is left is not to be believed.
	onStage(t, func(s *stage) { s.until = s.began.Add(time.Hour) }, func(t *testing.T, s *stage, _ *Announcer, _ func() time.Duration) {
		s.pass(10 * time.Second)
		for _, gap := range gaps(s.asked["look"]) {
			require.GreaterOrEqual(t, gap, time.Second)
			require.LessOrEqual(t, gap, 1050*time.Millisecond)
		}
		require.GreaterOrEqual(t, len(s.asked["look"]), 10)
		s.until = time.Now()
		s.pass(1050 * time.Millisecond)
		require.Len(t, s.asked["begin"], 1)
	})
}

func TestAnAnnouncerThatStopsWaitsForNoDeadServer(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) { s.hangs["resign"], s.hangs["close"] = true, true }, func(t *testing.T, s *stage, a *Announcer, stop func() time.Duration) {
		s.pass(time.Minute)
		require.Equal(t, 2*time.Second, stop(), "a second for each")
		require.False(t, a.Poke(), "another announces")
		require.Len(t, s.asked["resign"], 1)
	})
}

func TestTablesArePrunedEveryHour(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) { s.fails["prune"] = errors.New("a lock") }, func(t *testing.T, s *stage, _ *Announcer, _ func() time.Duration) {
		s.pass(3 * time.Hour)
		require.Equal(t, []time.Duration{0, time.Hour, 2 * time.Hour, 3 * time.Hour}, s.asked["prune"])
	})
}
