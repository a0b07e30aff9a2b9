package scaling

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wanted are samples a second apart.
func wanted(sizes ...int) []Sample {
	all := make([]Sample, len(sizes))
	for i, n := range sizes {
		all[i] = Sample{At: time.Duration(i) * time.Second, Wanted: n}
	}
	return all
}

func TestADirectionChangesWhenAPoolThatGrewShrinks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		sizes      []int
		changes    int
		directions int
	}{
		{"nothing seen", nil, 0, 0},
		{"still", []int{2, 2, 2}, 0, 0},
		{"growth in steps", []int{1, 2, 2, 4, 5}, 3, 0},
		{"shrinking", []int{5, 4, 1}, 2, 0},
		{"there and back", []int{1, 3, 3, 1}, 2, 1},
		{"back and there", []int{3, 1, 3}, 2, 1},
		{"flapping", []int{1, 2, 1, 2, 1}, 4, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.changes, Changes(wanted(c.sizes...)))
			require.Equal(t, c.directions, DirectionChanges(wanted(c.sizes...)))
		})
	}
	require.Equal(t, 4, Most(wanted(1, 4, 2)))
}

// lags are samples a second apart, in milliseconds; below 0 is unknown.
func lags(ms ...int) []Sample {
	all := make([]Sample, len(ms))
	for i, n := range ms {
		all[i] = Sample{At: time.Minute + time.Duration(i)*time.Second, Lag: time.Duration(n) * time.Millisecond, LagKnown: n >= 0}
	}
	return all
}

func TestTheLagIsBackOnceItStaysAtItsTarget(t *testing.T) {
	t.Parallel()
	const target, hold = 100 * time.Millisecond, 3 * time.Second
	for _, c := range []struct {
		name string
		lags []Sample
		took time.Duration
		back bool
		rose bool
	}{
		{"nothing seen", nil, 0, false, false},
		{"never above", lags(0, 100, 20), 0, true, false},
		{"above and back", lags(0, 0, 0, 0, 500, 900, 80, 90, 70, 60), 6 * time.Second, true, true},
		{"back for a moment only", lags(500, 0, 0, 500, 0, 0, 0, 0), 4 * time.Second, true, true},
		{"never back", lags(0, 500, 500), 0, false, true},
		{"too late to be held", lags(500, 0, 0, 0), 0, false, true},
		{"unknown is not back", lags(500, -1, -1, -1, -1, -1), 0, false, true},
		{"unknown in between", lags(500, 0, 0, -1, 0, 0, 0, 0), 4 * time.Second, true, true},
		{"unknown alone is no rise", lags(-1, 0, 0), 0, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			took, back := TimeToTarget(c.lags, target, hold)
			require.Equal(t, c.took, took)
			require.Equal(t, c.back, back)
			require.Equal(t, c.rose, Rose(c.lags, target))
		})
	}
}

func TestThePictureShowsLoadLagAndReplicasInTheirUnits(t *testing.T) {
	t.Parallel()
	samples := lags(0, 500, -1, 20)
	for i := range samples {
		samples[i].Offered, samples[i].Acked, samples[i].Wanted, samples[i].Ready = 120, 100, 3, 2
	}
	p := Picture("a step", samples, 100*time.Millisecond)
	require.Len(t, p.Panels, 3)
	require.Equal(t, "s", p.XLabel[len(p.XLabel)-2:len(p.XLabel)-1])
	lag := p.Panels[1].Series[0].Points
	require.Len(t, lag, 3, "an unknown lag is not drawn as 0")
	require.Equal(t, 500.0, lag[1].Y)
	require.Equal(t, 1.0, lag[1].X, "the first sample is the beginning")
	require.Equal(t, 100.0, p.Panels[1].Series[1].Points[0].Y)
	text := string(p.SVG())
	for _, want := range []string{"events/s", "lag (ms)", "persisters", "a step"} {
		require.Contains(t, text, want)
	}
}
