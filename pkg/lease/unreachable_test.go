package lease

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAWorkerThatNobodyReachesLosesItsShards(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]bool{"a second peer agrees": true, "there is no second peer": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			a, b := c.join("a", timing{}), c.join("b", timing{})
			if second {
				c.join("g", timing{}, "gateway")
			}
			c.eventually("even", func() bool { return c.settled(a, b) })
			c.deafen(true, a)
			c.eventually("b has all", func() bool {
				b.Suspect(a.ID(), Unreachable) // as every request that stays without an answer says
				return c.settled(b)
			})
			require.ErrorIs(t, a.end(), ErrDeclaredDead)
			require.Equal(t, 1, c.count(`SELECT count(*) FROM worker WHERE died_of = 'unreachable'`))
		})
	}
}

func TestWhoIsReachedByAnybodyIsNotMute(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", patient), c.join("b", patient)
	g := c.join("g", patient, "gateway")
	c.eventually("all know each other", func() bool { return len(b.Table().Workers()) == 3 })
	w, ok := b.Table().Worker(a.ID())
	require.True(t, ok)
	require.False(t, b.mute(t.Context(), w), "it answers")
	c.deafen(true, a)
	require.True(t, b.mute(t.Context(), w))
	c.deafen(true, b, g)
	require.False(t, b.mute(t.Context(), w), "no second peer answers either: it is this worker that is alone")
}

func TestUnreachableIsOnlyWhoseShardsAnotherCanServe(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", patient)
	g := c.join("g", patient, "gateway")
	c.eventually("all", func() bool { return c.settled(a) })
	_, err := g.rows.takeOver(t.Context(), a.ID(), Unreachable, 0)
	require.ErrorIs(t, err, errNotSuspect, "there is nobody else")
	_, err = a.rows.takeOver(t.Context(), g.ID(), Unreachable, 0)
	require.ErrorIs(t, err, errNotSuspect, "it owns nothing")
	require.Equal(t, []State{Live, Live}, []State{c.state(a.ID()), c.state(g.ID())})
}
