package schedule_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/cmd/loadgen/schedule"
)

// counted are the arrivals that were made and dropped, and the longest that one waited for its turn.
type counted struct {
	mu            sync.Mutex
	done, dropped int
	late, took    time.Duration
}

func play(ctx context.Context, s schedule.Schedule, length time.Duration, do func(n int)) *counted {
	c := &counted{}
	s.Run(ctx, length, func(a schedule.Arrival) {
		late := time.Since(a.Due)
		do(a.N)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.done++
		c.late, c.took = max(c.late, late), max(c.took, time.Since(a.Due))
	}, func(schedule.Arrival) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dropped++
	})
	return c
}

func TestRequestsAreMadeWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := play(t.Context(), schedule.Schedule{Rate: 100, InFlight: 4, Backlog: 10}, 3*time.Second, func(int) { time.Sleep(30 * time.Millisecond) })
		require.Equal(t, 300, c.done)
		require.Zero(t, c.dropped)
		require.Zero(t, c.late)
		require.Equal(t, 30*time.Millisecond, c.took)
		require.Equal(t, 2990*time.Millisecond+30*time.Millisecond, time.Since(began))
	})
}

// A server that stands still for a second has kept everybody waiting who came meanwhile, and that is what is measured.
func TestAStallCountsForAllWhoCameMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		slow := 0
		s := schedule.Schedule{Rate: 100, InFlight: 1, Backlog: 1000}
		s.Run(t.Context(), 5*time.Second, func(a schedule.Arrival) {
			if a.N == 100 {
				time.Sleep(time.Second)
			}
			mu.Lock()
			defer mu.Unlock()
			if time.Since(a.Due) > 500*time.Millisecond {
				slow++
			}
		}, func(schedule.Arrival) { t.Error("dropped") })
		require.Equal(t, 50, slow, "the half of the second's hundred that was due first")
	})
}

func TestWhatOverflowsIsDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := play(t.Context(), schedule.Schedule{Rate: 100, InFlight: 2, Backlog: 8}, time.Second, func(int) { time.Sleep(time.Minute) })
		require.Equal(t, 10, c.done)
		require.Equal(t, 90, c.dropped)
	})
}

func TestAnEndedContextEndsTheSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 995*time.Millisecond)
		defer cancel()
		began := time.Now()
		c := play(ctx, schedule.Schedule{Rate: 100, InFlight: 1, Backlog: 1000}, time.Hour, func(int) { time.Sleep(100 * time.Millisecond) })
		require.Equal(t, 10, c.done)
		require.Equal(t, 90, c.dropped, "what waited its turn was not made")
		require.Equal(t, time.Second, time.Since(began), "what is under way is waited for")
	})
}
