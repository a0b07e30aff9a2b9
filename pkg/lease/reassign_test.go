package lease

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/shard"
)

const someRoom = id.RoomID("!hot:test.example")

func TestRoomsAndSlotsMoveBetweenShards(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	g := c.join("g", timing{}, "gateway")
	c.eventually("even", func() bool { return c.settled(a, b) })
	slot := shard.Slot(someRoom)
	from := a.Table().ShardOf(someRoom)
	to, next := (from+1)%64, (from+2)%64
	_, before, _ := c.owner(from)
	_, beforeTo, _ := c.owner(to)
	everywhere := func(shard int) func() bool {
		return func() bool {
			return a.Table().ShardOf(someRoom) == shard && b.Table().ShardOf(someRoom) == shard && g.Table().ShardOf(someRoom) == shard
		}
	}

	require.NoError(t, g.Reassign(t.Context(), []int{slot}, nil, to))
	_, after, _ := c.owner(from)
	_, afterTo, _ := c.owner(to)
	require.Equal(t, []int64{before + 1, beforeTo + 1}, []int64{after, afterTo})
	c.eventually("all know", everywhere(to))
	c.eventually("owners go on under the new epochs", func() bool { return c.settled(a, b) })

	require.NoError(t, g.Reassign(t.Context(), nil, []id.RoomID{someRoom}, next))
	c.eventually("all know", everywhere(next))
	require.NoError(t, g.Reassign(t.Context(), []int{slot}, nil, from))
	c.eventually("a room that was moved by itself stays", func() bool {
		return everywhere(next)() && a.Table().rooms.slots[slot] == int32(from)
	})

	require.ErrorIs(t, g.Reassign(t.Context(), []int{slot}, nil, 64), ErrNoSuchShard)
	require.Error(t, g.Reassign(t.Context(), []int{4096}, nil, 0))
	c.exec(`UPDATE worker SET protocol = 1 WHERE worker_id = $1`, b.ID())
	require.ErrorIs(t, g.Reassign(t.Context(), []int{slot}, nil, to), ErrProtocol, "it would not notice")
	require.Equal(t, from, c.count(`SELECT shard_id FROM slot_shard WHERE slot = $1`, slot))
}

// A block by the map before commits before the map changes, or not at all (I1).
func TestNoBlockCommitsByAnOlderMap(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{})
	c.eventually("all", func() bool { return c.settled(a) })
	from := a.Table().ShardOf(someRoom)
	_, epoch, _ := c.owner(from)
	tx, err := c.block("lane", a.ID(), from, epoch)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- a.Reassign(t.Context(), nil, []id.RoomID{someRoom}, (from+1)%64) }()
	c.eventually("it waits for the block in flight", func() bool { return c.waiting("%FOR UPDATE%") > 0 })
	require.Zero(t, c.count(`SELECT count(*) FROM room_shard`))
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-done)
	_, err = c.block("zombie", a.ID(), from, epoch)
	require.ErrorContains(t, err, "MX001")
}

// Whoever learns an epoch has the map that was in force when it began, however it learns it.
func TestTheMapIsAsNewAsTheEpoch(t *testing.T) {
	t.Parallel()
	for name, learn := range map[string]func(t *testing.T, a *node, from int, epoch int64){
		"by a heartbeat": func(t *testing.T, a *node, _ int, _ int64) { require.NoError(t, a.Refresh(t.Context())) },
		"by a raise": func(t *testing.T, a *node, from int, epoch int64) {
			raised, err := a.raise(t.Context(), map[int]int64{from: epoch})
			require.NoError(t, err)
			require.Equal(t, epoch+2, raised[from])
		},
		"by a claim": func(t *testing.T, a *node, from int, _ int64) {
			a.learn([]Lease{{Shard: from, Owner: a.ID(), Epoch: a.Table().Lease(from).Epoch}}) // as if it were unclaimed
			a.settle(t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			a := c.join("a", timing{heartbeat: time.Hour, ttl: time.Hour, fence: time.Hour})
			c.eventually("all", func() bool { return c.settled(a) })
			from := a.Table().ShardOf(someRoom)
			_, epoch, _ := c.owner(from)
			require.NoError(t, rows{pool: c.db}.reassign(t.Context(), nil, []id.RoomID{someRoom}, (from+1)%64))
			require.Equal(t, from, a.Table().ShardOf(someRoom), "nobody told it yet")
			learn(t, a, from, epoch)
			c.eventually("it learns the epoch", func() bool {
				own, ok := a.OwnLease(from)
				return ok && own > epoch
			})
			require.Equal(t, (from+1)%64, a.Table().ShardOf(someRoom))
		})
	}
}

// A map that changes while a claim waits for the row is read after it.
func TestAClaimThatWaitedReadsTheMapAfterwards(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", timing{heartbeat: time.Hour, ttl: time.Hour, fence: time.Hour})
	c.eventually("all", func() bool { return c.settled(a) })
	tx, err := c.transaction()
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	_, err = tx.Exec(t.Context(), `UPDATE shard_lease SET epoch = epoch + 1 WHERE shard_id = 7`)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE cluster_state SET map_version = map_version + 1`)
	require.NoError(t, err)
	type result struct {
		epochs map[int]int64
		now    life
		err    error
	}
	before := a.Table().rooms.version
	results := make(chan result, 1)
	go func() {
		epochs, now, err := a.rows.claim(t.Context(), []int{7})
		results <- result{epochs, now, err}
	}()
	c.eventually("the claim waits", func() bool { return c.waiting("%claimed = true%") > 0 }) // or that of its own heart
	require.NoError(t, tx.Commit(t.Context()))
	got := <-results
	require.NoError(t, got.err)
	_, epoch, _ := c.owner(7)
	require.Equal(t, epoch, got.epochs[7])
	require.Equal(t, before+1, got.now.mapVersion)
}
