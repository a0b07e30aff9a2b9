package lease

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A backup from before a failover is older than everything that leapt since.
func TestABackupFromBeforeABarrier(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(a, b) })
	c.exec(`DROP TRIGGER audit ON shard_lease`)
	_, first, _ := c.owner(3)
	c.exec(`UPDATE cluster_state SET timeline = 'other'`) // as if promoted
	c.eventually("a barrier", func() bool { return a.Generation() == 2 && b.Generation() == 2 && c.settled(a, b) })
	c.exec(`UPDATE shard_lease SET epoch = epoch + 100`) // as moves do
	c.eventually("they know", func() bool { return c.settled(a, b) })
	_, second, _ := c.owner(3)
	var block int64
	for range 20 {
		var err error
		block, err = c.begin(2)
		require.NoError(t, err)
	}

	tx, err := c.db.Begin(t.Context())
	require.NoError(t, err)
	for _, sql := range []string{
		`UPDATE cluster_state SET generation = 1, map_version = 1`,
		`UPDATE shard_lease SET epoch = 1, owner = NULL, claimed = false`,
		`SELECT setval('stream_seq', 1)`,
	} {
		_, err = tx.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit(t.Context()))
	c.eventually("they go on", func() bool { return a.Generation() == 3 && b.Generation() == 3 && c.settled(a, b) })
	_, third, _ := c.owner(3)
	require.Greater(t, second, first)
	require.Greater(t, third, second, "no epoch comes again")
	next, err := c.begin(3)
	require.NoError(t, err)
	require.Greater(t, next, block, "nor does a position")
}

// Who remembers less, as a new worker does, began a generation of the same number in a restored backup.
func TestAGenerationThatAnotherBeganElsewhere(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(a, b) })
	a.Manager.mu.Lock()
	had := a.life.system
	a.Manager.mu.Unlock()
	c.eventually("they go on", func() bool {
		a.Manager.mu.Lock()
		if a.life.generation == 1 { // again, if a heartbeat that was under way has told it better
			a.life.timeline = "FFFFFFFF" // not older, and not this one
			a.life.system = had + 1
		}
		a.Manager.mu.Unlock()
		return a.Generation() == 2 && b.Generation() == 2 && c.settled(a, b)
	})
}

// The barrier's own session may lead elsewhere than the heartbeat that found it due.
func TestNoBarrierOnAFormerPrimary(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	r := rows{pool: c.db, timing: timing{}.withDefaults(), clock: machineClock{}}
	var had life
	require.NoError(t, c.db.QueryRow(t.Context(), `SELECT database_id::text, system_id FROM cluster_now`).Scan(&had.database, &had.system))
	had.generation, had.timeline = 2, "FFFFFFFF"
	_, err := r.barrier(t.Context(), had, setBack{})
	require.ErrorIs(t, err, errFormer)
	require.Equal(t, 1, c.count(`SELECT generation FROM cluster_state`))
}
