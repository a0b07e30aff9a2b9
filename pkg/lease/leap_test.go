package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLeapsOfTheDatabaseClock(t *testing.T) {
	t.Parallel()
	const second = int64(time.Second)
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	had := reading{shown: noon, sent: 10 * second, received: 11 * second}
	for _, c := range []struct {
		name           string
		passed         time.Duration
		sent, received int64
		leapt          bool
	}{
		{"as much as here", time.Second, 11 * second, 12 * second, false},
		{"the answer was long on its way", 4 * time.Second, 11 * second, 14 * second, false},
		{"the question was long on its way", time.Second, 11 * second, 15 * second, false},
		{"a pause of this worker", time.Hour, 3611 * second, 3612 * second, false},
		{"an hour forward", time.Hour, 11 * second, 12 * second, true},
		{"an hour back", -time.Hour, 11 * second, 12 * second, true},
		{"it stood still", 0, 15 * second, 16 * second, true},
		{"3 s forward", 4 * time.Second, 11 * second, 11*second + second/100, true},
	} {
		require.Equal(t, c.leapt, had.leapt(reading{noon.Add(c.passed), c.sent, c.received}), c.name)
	}
	require.False(t, reading{}.leapt(had), "the first reading")
}

// After a step of the clock every heartbeat looks expired, or as if it would not for long.
func TestNobodyIsJudgedByAClockThatHasJustLeapt(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			a := c.join("a", timing{ttl: time.Hour, heartbeat: 30 * time.Minute}, "gateway")
			c.pass(time.Second)
			before := a.elapsed()
			require.NoError(t, a.Refresh(t.Context()))
			require.Less(t, a.steady.Load(), before, "steady since it joined")
			a.Manager.mu.Lock()
			a.lastRead.shown = a.lastRead.shown.Add(-step)
			a.Manager.mu.Unlock()
			require.NoError(t, a.Refresh(t.Context()))
			require.GreaterOrEqual(t, a.steady.Load(), before, "it waits for a time to live again")
		})
	}
}
