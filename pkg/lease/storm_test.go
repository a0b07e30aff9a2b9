package lease

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// silentWorkers inserts workers without a process, whose heartbeats have long expired.
func (c *cluster) silentWorkers(n int) (ids []int64) {
	c.t.Helper()
	for i := range n {
		var id int64
		err := c.db.QueryRow(c.t.Context(), `INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
			VALUES ($1, $1, 'p', '{media}', 1, 1, clock_timestamp() - interval '1 hour') RETURNING worker_id`, fmt.Sprintf("silent-%d:1", i)).Scan(&id)
		require.NoError(c.t, err)
		ids = append(ids, id)
	}
	return ids
}

func TestStormGuard(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ others, mayDie int }{
		{others: 1, mayDie: 1}, // of two, or no fault could be survived
		{others: 2, mayDie: 1},
		{others: 3, mayDie: 1},
		{others: 6, mayDie: 2}, // of seven: a third is more than two
		{others: 8, mayDie: 2}, // of nine: three would be a third
		{others: 9, mayDie: 3},
	} {
		t.Run(fmt.Sprintf("%d of %d", x.mayDie, x.others+1), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			observer := c.join("observer", timing{}, "gateway")
			observer.stop()
			rows := observer.rows
			rows.pool, rows.timing.ttl = c.db, time.Second
			c.exec(`UPDATE worker SET expires_at = clock_timestamp() + interval '1 hour'`)
			silentOnes := c.silentWorkers(x.others)
			// The time to live is stretched, so that no pause of this test ends it.
			die := func(id int64, why Evidence) error {
				_, err := rows.takeOver(t.Context(), id, why, 0)
				c.exec(`UPDATE worker SET died_at = clock_timestamp() + interval '1 hour' WHERE died_at IS NOT NULL`)
				return err
			}
			for i, id := range silentOnes {
				if i < x.mayDie {
					require.NoError(t, die(id, Expired))
					continue
				}
				require.ErrorIs(t, die(id, Expired), errStorm)
				require.Equal(t, Live, c.state(id))
			}
			if x.mayDie == x.others {
				return
			}
			last := silentOnes[x.others-1]
			require.NoError(t, die(last, silent), "a failed dial is evidence of its own")
			require.Equal(t, Dead, c.state(last))
			if x.mayDie+1 == x.others {
				return
			}
			c.exec(`UPDATE worker SET died_at = clock_timestamp() - interval '1 hour' WHERE died_at IS NOT NULL`)
			require.NoError(t, die(silentOnes[x.mayDie], Expired), "a time to live later")
		})
	}
}

// Two observers, each in the middle of its transaction, must not count past each other.
func TestStormGuardCountsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	observer := c.join("observer", timing{}, "gateway")
	observer.stop()
	c.exec(`UPDATE worker SET expires_at = clock_timestamp() + interval '1 hour'`)
	c.silentWorkers(2)
	rows := observer.rows
	rows.pool = c.db
	first, err := c.transaction()
	require.NoError(t, err)
	t.Cleanup(func() { _ = first.Rollback(context.WithoutCancel(t.Context())) })
	require.NoError(t, rows.storm(t.Context(), first))
	_, err = first.Exec(t.Context(), `UPDATE worker SET state = 3, died_of = 'expired', died_at = clock_timestamp() + interval '1 hour' WHERE pod = 'silent-0:1'`)
	require.NoError(t, err)
	verdict := make(chan error, 1)
	go func() {
		second, err := c.transaction()
		if err == nil {
			err = rows.storm(t.Context(), second)
			_ = second.Rollback(t.Context())
		}
		verdict <- err
	}()
	c.eventually("the second waits", func() bool { return c.waiting("%pg_advisory_xact_lock%") > 0 })
	require.NoError(t, first.Commit(t.Context()))
	require.ErrorIs(t, <-verdict, errStorm)
}

func TestWhoAnswersDialsIsSparedInAStorm(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	d := c.join("d", timing{})
	c.eventually("even", func() bool { return c.settled(a, b, d) })
	a.stop() // their hearts stop, but their addresses answer
	b.stop()
	c.eventually("d has all in the end", func() bool { return c.settled(d) })
	apart := c.count(`SELECT (1000 * extract(epoch FROM max(died_at) - min(died_at)))::bigint FROM worker WHERE died_at IS NOT NULL`)
	require.GreaterOrEqual(t, apart, 3000, "one within a time to live")
	require.Equal(t, 2, c.count(`SELECT count(*) FROM worker WHERE died_of = 'expired'`))
}

func TestWhoAnswersNoDialIsNotSpared(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	d := c.join("d", timing{})
	c.eventually("even", func() bool { return c.settled(a, b, d) })
	a.kill()
	b.kill()
	c.eventually("d has all", func() bool { return c.settled(d) })
	apart := c.count(`SELECT (1000 * extract(epoch FROM max(died_at) - min(died_at)))::bigint FROM worker WHERE died_at IS NOT NULL`)
	silentOnes := c.count(`SELECT count(*) FROM worker WHERE died_of = 'silent'`)
	require.True(t, silentOnes == 1 || apart >= 3000, "%d silent, %d ms apart", silentOnes, apart)
}
