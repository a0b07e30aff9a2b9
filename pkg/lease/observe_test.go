package lease

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhoWasDeclaredDeadStillLearnsWhoHasItsShards(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(a, b) })
	c.exec(`UPDATE worker SET state = 3 WHERE worker_id = $1`, a.ID())
	require.ErrorIs(t, a.end(), ErrDeclaredDead)
	require.ErrorIs(t, a.Refresh(t.Context()), ErrStopped)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); a.Observe(ctx) }()
	c.eventually("b has all", func() bool { return c.settled(b) })
	c.eventually("a observes", a.observing.Load)
	require.NoError(t, a.Refresh(t.Context()))
	for _, l := range a.Table().Leases() {
		require.Equal(t, b.ID(), l.Owner)
		_, own := a.OwnLease(l.Shard)
		require.False(t, own)
	}
	d := c.join("d", timing{})
	require.NoError(t, a.Refresh(t.Context()))
	_, known := a.Table().Worker(d.ID())
	require.True(t, known, "newcomers too")
	require.NoError(t, a.Drain(t.Context()), "it has left already")
	require.Equal(t, Dead, c.state(a.ID()))
	cancel()
	<-done
}

func TestOnlyTheDeadAreMissed(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	observer := c.join("g", timing{}, "gateway")
	missed := func(within time.Duration) bool {
		yes, err := observer.Bereaved(t.Context(), RolePersister, within)
		require.NoError(t, err)
		return yes
	}
	require.False(t, missed(time.Hour), "there never was one")
	a := c.join("a", timing{})
	require.NoError(t, a.Drain(t.Context()))
	require.False(t, missed(time.Hour), "it left")

	b := c.join("b", timing{})
	c.refuse(b.addr)
	b.kill()
	observer.Suspect(b.ID(), Refused)
	c.eventually("b is declared dead", func() bool {
		observer.Suspect(b.ID(), Refused)
		return c.state(b.ID()) == Dead
	})
	require.True(t, missed(time.Hour))
	require.False(t, missed(0), "long ago")
	c.join("b", timing{})
	require.False(t, missed(time.Hour), "it is back")
}
