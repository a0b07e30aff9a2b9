package sync

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/horizon"
)

// A 0 would say that nothing waits, at the very moment at which nobody can tell.
func TestAWorkerThatDoesNotHearTheHorizonTellsNoLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := bus.Local()
		s := New(Config{Bus: b, Follower: horizon.NewFollower(nil, b)}) // which does not run, so it hears nothing
		var told []float64
		s.tellLag = func(seconds float64) { told = append(told, seconds) }
		stop := (&world{t: t}).run(s.Run)
		<-time.After(3500 * time.Millisecond)
		stop()
		require.Len(t, told, 4, "at once, and each second")
		for _, seconds := range told {
			require.True(t, math.IsNaN(seconds))
		}
	})
}

func TestAWorkerThatHearsTheHorizonTellsItsLag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Eventually(t, w.follower.Fresh, time.Minute, time.Millisecond)
	w.sync.lag.Begin()
	require.Eventually(t, func() bool { return w.sync.lagSeconds() > 0 }, time.Minute, time.Millisecond, "and it goes on growing")
}
