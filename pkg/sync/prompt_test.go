package sync

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/horizon"
)

// Where nobody was served P may be behind by a quarter of a second: the first to come does not get an answer of then, nor
// does he wait for longer.
func TestTheFirstRequestWaitsForTheNewestP(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Follower: horizon.NewFollower(nil, bus.Local()), Bus: bus.Local()})
		s.applied.Store(1)
		began := time.Now()
		require.NoError(t, s.started(t.Context()))
		require.Equal(t, promptLimit, time.Since(began))
	})
}

func TestWhoIsServedIsToldAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.False(t, w.follower.Prompt(), "nobody is served yet")
	w.client(alice).sync()
	require.Eventually(t, w.follower.Prompt, time.Minute, time.Millisecond)
}
