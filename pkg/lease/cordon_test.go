package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// owned is how many shards each worker has by the rows.
func (c *cluster) owned(nodes ...*node) (counts []int) {
	for _, n := range nodes {
		counts = append(counts, c.count(`SELECT count(*) FROM shard_lease WHERE owner = $1 AND claimed AND target IS NULL`, n.ID()))
	}
	return counts
}

func (c *cluster) has(counts []int, nodes ...*node) func() bool {
	return func() bool {
		for i, got := range c.owned(nodes...) {
			if got != counts[i] {
				return false
			}
		}
		return true
	}
}

func TestACordonedWorkerKeepsItsShardsAndGetsNoOthers(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(a, b) })
	require.NoError(t, b.Cordon(t.Context(), a.ID(), true))
	c.eventually("all know", func() bool {
		w, _ := b.Table().Worker(a.ID())
		self, _ := a.Table().Worker(a.ID())
		return w.Cordoned && self.Cordoned
	})
	c.exec(`TRUNCATE audit`)

	d := c.join("d", timing{})
	c.eventually("the others share the rest", c.has([]int{32, 16, 16}, a, b, d))
	b.kill()
	c.eventually("d inherits", c.has([]int{32, 32}, a, d))
	e := c.join("e", timing{})
	c.eventually("e gets half of the rest", c.has([]int{32, 16, 16}, a, d, e))
	require.NoError(t, d.Drain(t.Context()))
	c.eventually("e inherits", c.has([]int{32, 32}, a, e))
	require.Zero(t, c.count(`SELECT count(*) FROM audit WHERE $1 IN (old_owner, new_owner)`, a.ID()), "a lost or got none")

	f := c.join("f", timing{})
	c.eventually("f gets half of the rest", c.has([]int{32, 16, 16}, a, e, f))
	require.NoError(t, a.Cordon(t.Context(), a.ID(), false))
	c.eventually("even", func() bool { return c.settled(a, e, f) })
}

// A planned drain of a cordoned worker, too, gives all that it has to the others.
func TestACordonedWorkerDrains(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(a, b) })
	require.NoError(t, a.Cordon(t.Context(), a.ID(), true))
	require.NoError(t, a.Drain(t.Context()))
	c.eventually("b has all", func() bool { return c.settled(b) })
}

// A shard that nobody else can serve is better served by a cordoned worker than not at all.
func TestCordonedWorkersServeWhereNobodyElseIs(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, n *node){
		"killed":  func(_ *testing.T, n *node) { n.kill() },
		"drained": func(t *testing.T, n *node) { require.NoError(t, n.Drain(t.Context())) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			a, b := c.join("a", timing{}), c.join("b", timing{})
			c.eventually("even", func() bool { return c.settled(a, b) })
			require.NoError(t, b.Cordon(t.Context(), b.ID(), true))
			require.NoError(t, a.Refresh(t.Context()))
			end(t, a)
			c.eventually("b has all", func() bool { return c.settled(b) })
		})
	}
}

func TestNothingIsMovedToACordonedWorker(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	g := c.join("g", timing{}, "gateway")
	c.eventually("even", func() bool { return c.settled(a, b) })
	s := -1
	for held := range a.Held() {
		s = held
	}
	require.NoError(t, g.Cordon(t.Context(), b.ID(), true))
	_, err := a.Move(t.Context(), s, b.ID())
	require.ErrorIs(t, err, ErrUnfit)
	_, err = a.Move(t.Context(), s, 0)
	require.ErrorIs(t, err, ErrUnfit, "there is no other")
	_, epoch, _ := c.owner(s)
	aimed, err := a.rows.aim(t.Context(), []handover{{shard: s, epoch: epoch, to: b.ID()}}, true, time.Minute)
	require.NoError(t, err)
	require.Empty(t, aimed, "whoever has not heard of it cannot either")

	require.ErrorIs(t, a.Cordon(t.Context(), g.ID(), true), ErrUnfit, "a gateway gets no shards")
	require.ErrorIs(t, a.Cordon(t.Context(), 999, true), ErrUnfit)
	for held := range b.Held() {
		_, err = g.Move(t.Context(), held, a.ID())
		require.NoError(t, err, "it may give")
		break
	}
}

// So soon after the last heartbeat only a nudge makes anybody look.
func TestRebalanceMakesTheBalancerLook(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	g := c.join("g", timing{}, "gateway")
	c.eventually("g leads", func() bool { return c.count(`SELECT count(*) FROM leader WHERE worker_id = $1`, g.ID()) == 1 })
	p := c.join("p", timing{})
	before := g.beaten.Load()
	c.eventually("g looks by itself", func() bool { return g.beaten.Load() > before })
	c.pass(g.timing.heartbeat / 10)
	began := g.elapsed()
	leader, err := p.Rebalance(t.Context())
	require.NoError(t, err)
	require.Equal(t, g.ID(), leader)
	c.eventually("g has looked", func() bool { return g.beaten.Load() >= began })
	require.Less(t, g.elapsed()-began, int64(g.timing.heartbeat/2))
}
