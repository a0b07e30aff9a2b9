package plan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/controllers/plan"
	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/lag"
)

// lagging is a status in which one worker of the pool p has the lag and others have less, are of another pool, or tell none.
func lagging(oldest time.Duration) admin.Status {
	tell := func(d time.Duration) lag.Reading { return lag.Reading{lag.Persister: {Oldest: d}} }
	return admin.Status{Workers: []admin.Worker{
		{ID: 1, Pool: "p", State: admin.StateLive, ExpiresInMS: 1, Lag: tell(0)},
		{ID: 2, Pool: "p", State: admin.StateLeaving, ExpiresInMS: 1, Lag: tell(oldest)},
		{ID: 3, Pool: "p", State: admin.StateLive, ExpiresInMS: 1},
		{ID: 4, Pool: "p", State: admin.StateLive, ExpiresInMS: -1, Lag: tell(time.Hour)},
		{ID: 5, Pool: "q", State: admin.StateLive, ExpiresInMS: 1, Lag: tell(time.Hour)},
	}}
}

func TestLagIsShownInSteps(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	for oldest, want := range map[time.Duration]string{
		0: "0s", 99 * time.Millisecond: "0s", 100 * time.Millisecond: "100ms", time.Second - 1: "100ms", time.Second: "1s",
		10 * time.Second: "10s", time.Minute: "1m", time.Hour: "1m",
	} {
		require.Equal(t, want, plan.LagShown{}.After(lagging(oldest), "p", now).String(), oldest)
	}
	require.Empty(t, plan.LagShown{}.String())
	require.Empty(t, plan.LagShown{}.After(admin.Status{}, "p", now).String(), "no worker, or none that tells, is unknown, not 0s")
}

func TestShownLagGrowsAtOnceAndFallsAfterAMinute(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_000_000, 0)
	shown := plan.LagShown{}
	for _, look := range []struct {
		at   time.Duration
		lag  time.Duration
		want string
	}{
		{0, 0, "0s"},
		{5 * time.Second, 20 * time.Second, "10s"},
		{10 * time.Second, 0, "10s"},
		{40 * time.Second, 15 * time.Second, "10s"},
		{65 * time.Second, 0, "10s"}, // a minute has passed since it was seen first, but not since last
		{99 * time.Second, 200 * time.Millisecond, "10s"},
		{100 * time.Second, 200 * time.Millisecond, "100ms"},
		{105 * time.Second, 2 * time.Second, "1s"},
	} {
		shown = shown.After(lagging(look.lag), "p", start.Add(look.at))
		require.Equal(t, look.want, shown.String(), look.at)
	}
	later := start.Add(130 * time.Second)
	require.Equal(t, "1s", shown.After(admin.Status{}, "p", later).String(), "one look at which nobody tells changes nothing")
	require.Empty(t, shown.After(admin.Status{}, "p", later.Add(time.Minute)).String())
}
