package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/lag"
	"github.com/myelin-hs/myelin/test/e2e/scaling"
)

func TestTheLagOfAPoolIsKnownOnlyIfAllItsWorkersTellTheirs(t *testing.T) {
	t.Parallel()
	reading := func(d time.Duration) lag.Reading { return lag.Reading{lag.Persister: {Oldest: d}} }
	for _, c := range []struct {
		name     string
		readings []lag.Reading
		mean     time.Duration
		known    bool
	}{
		{"nobody", nil, 0, false},
		{"one", []lag.Reading{reading(time.Second)}, time.Second, true},
		{"the mean", []lag.Reading{reading(time.Second), reading(0)}, 500 * time.Millisecond, true},
		{"one that says nothing", []lag.Reading{reading(time.Second), nil}, 0, false},
	} {
		mean, known := meanLag(c.readings)
		require.Equal(t, c.mean, mean, c.name)
		require.Equal(t, c.known, known, c.name)
	}
}

func TestSamplesAreThoseTakenSince(t *testing.T) {
	t.Parallel()
	r := &recorder{begin: time.Now()}
	for i := range 5 {
		r.samples = append(r.samples, scaling.Sample{At: time.Duration(i) * time.Second, Wanted: i})
	}
	require.Len(t, r.since(r.begin), 5)
	require.Equal(t, 3, r.since(r.begin.Add(2500 * time.Millisecond))[0].Wanted)
	require.Empty(t, r.since(r.begin.Add(time.Minute)))
}

func TestScenariosAreChosenByName(t *testing.T) {
	t.Parallel()
	all, err := chooseScenarios("all")
	require.NoError(t, err)
	require.Len(t, all, len(scenarios))
	some, err := chooseScenarios("stuck,step")
	require.NoError(t, err)
	require.Equal(t, "stuck", some[0].name)
	require.Equal(t, "step", some[1].name)
	_, err = chooseScenarios("step,nonsense")
	require.ErrorContains(t, err, `no "nonsense"`)
}
