package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestJoinersGetTheirShare(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{})
	c.eventually("the first has all", func() bool { return c.settled(a) })
	require.Equal(t, 64, a.serves())

	began := c.clock.Now()
	b := c.join("b", timing{})
	c.eventually("the second has half", func() bool { return c.settled(a, b) })
	t.Logf("the second joiner had its share after %v", c.clock.Now().Sub(began))
	began = c.clock.Now()
	d := c.join("d", timing{})
	c.eventually("the third has a third", func() bool { return c.settled(a, b, d) })
	t.Logf("the third joiner had its share after %v", c.clock.Now().Sub(began))

	require.Equal(t, 32+21, c.count(`SELECT count(*) FROM audit WHERE old_owner IS NOT NULL`), "no more moves than needed")
	require.Len(t, a.Table().WorkersWithRole(RolePersister), 3)
}

func TestWithoutPersistersShardsWaitForOne(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	g := c.join("g", timing{}, "gateway")
	require.NoError(t, g.Refresh(t.Context()))
	require.Zero(t, g.Table().Lease(0).Owner)
	p := c.join("p", timing{})
	c.eventually("the persister has all", func() bool { return c.settled(p) })
	require.Zero(t, g.serves())
}

func TestTwoBalancersAreHarmless(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{})
	c.eventually("the first has all", func() bool { return c.settled(a) })
	b := c.join("b", timing{})
	for _, n := range []*node{a, b} {
		n.mu.Lock()
		n.Manager.mu.Lock()
		n.leader.until = c.clock.Now().Add(time.Hour)
		n.leader.expires = c.clock.Now().Add(time.Hour)
		n.leader.worker = -1
		n.leader.tried = c.clock.Now().Add(time.Hour) // it neither renews nor learns better
		n.Manager.mu.Unlock()
		n.mu.Unlock()
	}
	c.eventually("both have half", func() bool { return c.settled(a, b) })
	require.Equal(t, 32, c.count(`SELECT count(*) FROM audit WHERE old_owner IS NOT NULL`), "no more moves than one balancer makes")
}

func TestPlanMovesFewAtOnce(t *testing.T) {
	t.Parallel()
	var leases []Lease
	for s := range 12 {
		leases = append(leases, Lease{Shard: s, Owner: 1, Epoch: 7, Claimed: true})
	}
	aims, backlog := plan(leases, []int64{1, 2}, 4)
	require.Len(t, aims, 4)
	require.Equal(t, 6, backlog)
	for _, a := range aims {
		require.EqualValues(t, 2, a.to)
		require.EqualValues(t, 7, a.epoch)
		leases[a.shard].Target = 2
	}
	aims, backlog = plan(leases, []int64{1, 2}, 4)
	require.Empty(t, aims, "four are in flight")
	require.Equal(t, 6, backlog)

	for s := range leases {
		if leases[s].Target == 2 {
			leases[s] = Lease{Shard: s, Owner: 2, Epoch: 8, Claimed: true}
		}
	}
	aims, backlog = plan(leases, []int64{1, 2}, 4)
	require.Len(t, aims, 2)
	require.Equal(t, 2, backlog)

	aims, _ = plan(leases, []int64{1}, 4)
	require.Empty(t, aims, "2 is leaving, or dead: that is not the balancer's to do")
	aims, backlog = plan(leases, nil, 4)
	require.Empty(t, aims)
	require.Zero(t, backlog)
}

func TestTheBalancersTermPassesOn(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{})
	c.eventually("a leads", func() bool {
		return c.count(`SELECT count(*) FROM leader WHERE name = 'balancer' AND worker_id = $1`, a.ID()) == 1
	})
	b := c.join("b", timing{})
	first := c.count(`SELECT term FROM leader WHERE name = 'balancer'`)
	a.kill()
	c.eventually("b leads in a later term", func() bool {
		return c.count(`SELECT count(*) FROM leader WHERE name = 'balancer' AND worker_id = $1 AND term > $2`, b.ID(), first) == 1
	})
	c.eventually("b has all", func() bool { return c.settled(b) })
}

func TestOldRowsOfDeadWorkersAreForgotten(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.exec(`INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
	        SELECT 'old', 'x', 'p', '{persister}', 1, 3, clock_timestamp() - h * interval '1 hour' FROM unnest('{1,23,25,48}'::int[]) h`)
	c.join("a", timing{})
	c.eventually("a day is kept", func() bool { return c.count(`SELECT count(*) FROM worker WHERE state = 3`) == 2 })
}
