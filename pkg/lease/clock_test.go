package lease

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Clusters of tests have a clock of their own, so nothing else would notice if the machine's bounded nothing.
func TestTheMachinesClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &Manager{clock: machineClock{}}
		began := m.clock.Now()
		bounded, cancel := m.clock.Bound(t.Context(), time.Second)
		defer cancel()
		require.True(t, m.sleep(t.Context(), time.Second-1))
		require.NoError(t, bounded.Err())
		<-bounded.Done()
		require.ErrorIs(t, bounded.Err(), context.DeadlineExceeded)
		require.Equal(t, time.Second, m.since(began))
		require.False(t, m.sleep(bounded, time.Second), "there is nobody to sleep for")
		require.Equal(t, time.Second, m.since(began))

		timer := m.clock.Timer(time.Second)
		timer.Reset(3 * time.Second)
		<-timer.C()
		require.Equal(t, 4*time.Second, m.since(began))
		timer.Reset(time.Second)
		timer.Stop()
		require.True(t, m.sleep(t.Context(), time.Minute))
		require.Empty(t, timer.C(), "it was stopped")
	})
}
