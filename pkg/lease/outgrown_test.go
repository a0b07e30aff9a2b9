package lease

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A database may take only workers of a newer protocol than one that runs already: that one keeps what it has, and is given
// no more, also when somebody uncordons it.
func TestAWorkerThatTheDatabaseHasOutgrownIsGivenNoMoreShards(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(a, b) })
	cordoned := func() bool {
		return c.count(`SELECT count(*) FROM worker WHERE cordoned AND state = 1`) == 2
	}
	require.False(t, cordoned())
	c.exec(`UPDATE cluster_state SET min_protocol = $1`, liveMap+1)
	c.eventually("both have cordoned themselves", cordoned)
	require.Equal(t, []int{32, 32}, c.owned(a, b), "and keep what they have")
	c.exec(`UPDATE worker SET cordoned = false`)
	c.eventually("both have again", cordoned)
}
