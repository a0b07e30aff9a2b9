package lease

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// alone is a Manager without a database that holds shard 3 at epoch 7. Its clock is the test's.
func alone() *Manager {
	m := &Manager{start: time.Now(), clock: machineClock{}, timing: timing{}.withDefaults()}
	m.table.Store(&Table{changed: make(chan struct{})})
	m.held.Store(&map[int]int64{3: 7})
	return m
}

func (m *Manager) ownsThree() bool {
	_, ok := m.OwnLease(3)
	return ok && len(m.Held()) == 1 && m.healthy()
}

func TestOwnLeasesLastTwoAndAHalfSecondsFromWhenTheHeartbeatWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := alone()
		require.False(t, m.ownsThree(), "no heartbeat was answered yet")
		sent := m.elapsed()
		<-time.After(2 * time.Second) // the answer is slow
		m.credit(sent, nil)
		require.True(t, m.ownsThree())
		<-time.After(500*time.Millisecond - 1)
		require.True(t, m.ownsThree())
		<-time.After(1)
		require.False(t, m.ownsThree())
		m.credit(m.elapsed(), nil)
		require.True(t, m.ownsThree(), "nothing was lost for good")
	})
}

func TestOnlyWhoseHeartbeatsAreOnTimeJudges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := alone()
		for range 3 {
			m.credit(m.elapsed(), nil)
			require.False(t, m.collected())
			<-time.After(time.Second)
		}
		require.True(t, m.collected(), "after a time to live")
		<-time.After(500*time.Millisecond + 1)
		m.credit(m.elapsed(), nil) // late: the database, or this process, paused
		require.False(t, m.collected())
	})
}

func TestAnExpiryBeforeTheNextBeatIsLookedAtThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := alone()
		<-time.After(time.Minute)
		for left, at := range map[int64]time.Duration{2000: 0, 1000: 0, 999: 1004 * time.Millisecond, 0: 5 * time.Millisecond} {
			m.credit(m.elapsed(), &left)
			if at == 0 {
				require.Zero(t, m.missed.Load(), left)
				continue
			}
			require.Equal(t, at, time.Duration(m.missed.Load()-m.elapsed()), left)
		}
	})
}

func TestOneHeartbeatMayBeLost(t *testing.T) {
	t.Parallel()
	d := timing{}.withDefaults()
	require.Less(t, 2*d.heartbeat, d.fence, "before own leases count as lost")
	require.Less(t, d.fence, d.ttl, "which they do before another takes them over")
}
