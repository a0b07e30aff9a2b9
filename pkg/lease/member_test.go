package lease

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
)

func TestDrainGivesEverythingAway(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b, d := c.join("a", timing{}), c.join("b", timing{}), c.join("d", timing{})
	c.eventually("even", func() bool { return c.settled(a, b, d) })
	for _, n := range []*node{a, b} {
		require.NoError(t, n.Drain(t.Context()))
		require.Zero(t, n.serves())
		require.Equal(t, Dead, c.state(n.ID()))
		require.Zero(t, c.count(`SELECT count(*) FROM shard_lease WHERE owner = $1 OR owner IS NULL`, n.ID()))
	}
	c.eventually("the last has all", func() bool { return c.settled(d) })
	require.NoError(t, a.Refresh(t.Context()), "who left still learns who has its rooms")
	require.Equal(t, d.ID(), a.Table().Lease(0).Owner)
	require.Empty(t, a.err, "Run goes on")

	require.NoError(t, d.Drain(t.Context()), "with nobody to give to")
	require.Equal(t, 64, c.count(`SELECT count(*) FROM shard_lease WHERE owner IS NULL AND NOT claimed`))

	e := c.join("e", timing{})
	c.eventually("a joiner heals at once", func() bool { return c.settled(e) })
}

func TestDrainWaitsForTheBlockInFlight(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(a, b) })
	var slow int
	for s := range a.Held() {
		slow = s
	}
	release := make(chan struct{})
	a.onQuiesce(func(_ context.Context, shard int) error {
		if shard == slow {
			<-release
		}
		return nil
	})
	done := make(chan error, 1)
	go func() { done <- a.Manager.Drain(t.Context()) }()
	a.hangs.Store(true)
	c.eventually("all others are gone", func() bool { return a.serves() == 1 && b.serves() == 63 })
	require.Empty(t, done)
	owner, _, _ := c.owner(slow)
	require.Equal(t, a.ID(), owner)
	close(release)
	require.NoError(t, await(c, func() error { return <-done }))
	c.eventually("b has all", func() bool { return c.settled(b) })
}

func TestTwoDrainsAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b, d := c.join("a", timing{}), c.join("b", timing{}), c.join("d", timing{})
	c.eventually("even", func() bool { return c.settled(a, b, d) })
	done := make(chan error, 2)
	for _, n := range []*node{a, b} {
		go func() { done <- n.Manager.Drain(t.Context()) }()
	}
	c.eventually("both have left", func() bool { return len(done) == 2 })
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	c.eventually("the last has all", func() bool { return c.settled(d) })
}

func TestSelfFence(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{})
	c.eventually("all", func() bool { return c.settled(a) })
	_, epoch, _ := c.owner(7)
	from := c.seen()

	tx, err := c.transaction()
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM worker WHERE worker_id = $1 FOR UPDATE`, a.ID()) // heartbeats hang
	require.NoError(t, err)
	a.heartHangs.Store(true)
	c.pass(1400 * time.Millisecond) // the last one was up to a second old
	_, ok := a.OwnLease(7)
	require.True(t, ok)
	c.pass(1100 * time.Millisecond)
	_, ok = a.OwnLease(7)
	require.False(t, ok, "it fences itself")
	require.Empty(t, a.Held())
	require.Error(t, await(c, func() error { return a.Refresh(t.Context()) }))
	require.NoError(t, tx.Rollback(t.Context()))
	a.heartHangs.Store(false)

	c.eventually("it goes on", func() bool { return c.settled(a) })
	own, ok := a.OwnLease(7)
	require.True(t, ok)
	require.Equal(t, epoch, own)
	require.Empty(t, c.history(from, 7), "nobody wrote in between, so nothing was lost")
}

func TestAnUnchangedTableIsNotSentAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	g := c.join("g", timing{}, "gateway")
	g.stop()
	conn, err := c.db.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()

	first, err := g.rows.beat(t.Context(), conn, "", digests{}, nil)
	require.NoError(t, err)
	require.Len(t, first.leases, 64)
	require.Len(t, first.workers, 1)
	second, err := g.rows.beat(t.Context(), conn, "", first.digests, nil)
	require.NoError(t, err)
	require.Nil(t, second.leases)
	require.Nil(t, second.workers)
	require.Equal(t, Live, second.state)

	c.exec(`UPDATE shard_lease SET target = 5 WHERE shard_id = 3`)
	third, err := g.rows.beat(t.Context(), conn, "", second.digests, nil)
	require.NoError(t, err)
	require.Len(t, third.leases, 64)
	require.Nil(t, third.workers)

	c.exec(`INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
		VALUES ('x', 'x:1', 'p', '{media}', 1, 1, clock_timestamp() + interval '200 ms')`)
	fourth, err := g.rows.beat(t.Context(), conn, "", third.digests, nil)
	require.NoError(t, err)
	require.Nil(t, fourth.leases)
	require.Len(t, fourth.workers, 2)
	had := fourth.digests
	c.eventually("an expiry is a change", func() bool {
		a, err := g.rows.beat(t.Context(), conn, "", had, nil)
		require.NoError(t, err)
		return a.workers != nil
	})
}

func TestHeartbeatsDoNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	g := c.join("g", timing{}, "gateway")
	g.stop()
	conn, err := c.db.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = g.rows.beat(t.Context(), conn, "", digests{}, nil)
	require.NoError(t, err)
	var commit string
	require.NoError(t, tx.QueryRow(t.Context(), `SHOW synchronous_commit`).Scan(&commit))
	require.Equal(t, "off", commit)
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, conn.QueryRow(t.Context(), `SHOW synchronous_commit`).Scan(&commit))
	require.Equal(t, "on", commit, "only the heartbeat's own")
}

func TestRoomsAndShards(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.exec(`INSERT INTO room_shard (room_id, shard_id) VALUES ('!hot:test.example', 63)`)
	g := c.join("g", timing{}, "gateway")
	require.Equal(t, 63, g.Table().ShardOf("!hot:test.example"))
	seen := map[int]bool{}
	for i := range 2000 {
		seen[g.Table().ShardOf(id.RoomID("!"+time.Duration(i).String()+":test.example"))] = true
	}
	require.Len(t, seen, 64)
	require.Len(t, g.Table().Leases(), 64)
}

func TestNewerRowsReplaceOlderOnes(t *testing.T) {
	t.Parallel()
	base := &Table{changed: make(chan struct{})}
	t1 := base.with([]Lease{{Shard: 1, Owner: 7, Epoch: 3, Claimed: true}, {Shard: 0, Owner: 8, Epoch: 1}}, []Worker{{ID: 7, State: Live}})
	t2 := t1.with([]Lease{{Shard: 1, Owner: 6, Epoch: 2}, {Shard: 0, Owner: 9, Epoch: 2}}, nil)
	require.EqualValues(t, 7, t2.Lease(1).Owner, "an answer that is older than what this worker wrote")
	require.EqualValues(t, 9, t2.Lease(0).Owner)
	require.EqualValues(t, 8, t1.Lease(0).Owner, "a table never changes")
	require.Len(t, t2.Workers(), 1)
	require.Equal(t, Lease{Shard: 5}, t2.Lease(5))
	require.Empty(t, t2.with(nil, []Worker{}).Workers())
}

func TestRunNeedsAHolderForAPersister(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	m, err := Join(t.Context(), c.db, Self{Pod: "p", Addr: "p:1", Roles: []string{RolePersister}, Protocol: 1}, Options{})
	require.NoError(t, err)
	require.Error(t, m.Run(t.Context()))
	_, err = Join(t.Context(), c.db, Self{Pod: "p"}, Options{})
	require.Error(t, err)
}

func TestABuildThatIsTooOldDoesNotJoin(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.exec(`UPDATE cluster_state SET min_protocol = 2`)
	_, err := Join(t.Context(), c.db, Self{Pod: "p", Addr: "p:1", Roles: []string{"gateway"}, Protocol: 1}, Options{})
	require.ErrorIs(t, err, ErrProtocol)
	require.Zero(t, c.count(`SELECT count(*) FROM worker`))
}

func TestWhatTheTableSaysIsAnothersIsNotOwned(t *testing.T) {
	t.Parallel()
	m := &Manager{start: time.Now(), clock: machineClock{}}
	m.fence.Store(int64(time.Hour))
	m.held.Store(&map[int]int64{3: 7})
	for epoch, own := range map[int64]bool{6: true, 7: true, 8: false} {
		m.table.Store((&Table{changed: make(chan struct{})}).with([]Lease{{Shard: 3, Owner: 1, Epoch: epoch}}, nil))
		_, ok := m.OwnLease(3)
		require.Equal(t, own, ok, "the table has epoch %d", epoch)
	}
}
