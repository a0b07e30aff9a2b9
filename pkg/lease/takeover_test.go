package lease

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/schema"
)

func (c *cluster) state(worker int64) State {
	return State(c.count(`SELECT state FROM worker WHERE worker_id = $1`, worker))
}

// patient: no heartbeat expires during a test, so what is taken over was taken over for another reason.
var patient = timing{ttl: time.Hour}

func TestTakeoverAfterRefusedDials(t *testing.T) {
	t.Parallel()
	for name, withPeer := range map[string]bool{"a second peer confirms": true, "there is no second peer": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			dead, b := c.join("dead", patient), c.join("b", patient)
			left := []*node{b}
			if withPeer {
				left = append(left, c.join("d", patient))
			}
			c.eventually("even", func() bool { return c.settled(append(left, dead)...) })
			dead.kill()
			began := c.clock.Now()
			b.Suspect(dead.ID(), Refused)
			b.Suspect(dead.ID(), Refused)
			c.eventually("all shards are served again", func() bool {
				return c.count(`SELECT count(*) FROM shard_lease WHERE owner <> $1 AND claimed`, dead.ID()) == 64
			})
			took := c.clock.Now().Sub(began)
			t.Logf("recovered %v after the first refused dial", took)
			require.GreaterOrEqual(t, took, 250*time.Millisecond)
			require.Less(t, took, 2*time.Second)
			require.Equal(t, Dead, c.state(dead.ID()))
			c.eventually("even", func() bool { return c.settled(left...) })
		})
	}
}

func TestASuspicionThatIsNotBorneOut(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	often := timing{heartbeat: 100 * time.Millisecond}
	a, b := c.join("a", often), c.join("b", often)
	c.join("d", often)
	investigated := func() bool {
		b.Manager.mu.Lock()
		defer b.Manager.mu.Unlock()
		return len(b.suspects) == 0 && len(b.suspected) == 0
	}

	b.Suspect(a.ID(), Refused) // a second peer reaches it
	c.eventually("taken up", func() bool { return !investigated() })
	c.eventually("looked into", investigated)
	require.Equal(t, Live, c.state(a.ID()))

	c.refuse(a.addr) // nobody reaches it, but its heart beats
	b.Suspect(a.ID(), Refused)
	c.eventually("taken up", func() bool { return !investigated() })
	c.eventually("looked into", investigated)
	require.Equal(t, Live, c.state(a.ID()))

	for _, why := range []Evidence{OtherWorker, Expired} { // the rows say otherwise
		_, err := b.rows.takeOver(t.Context(), a.ID(), why, 0)
		require.ErrorIs(t, err, errNotSuspect)
	}
	require.Equal(t, Live, c.state(a.ID()))
}

// However long a takeover waits for its turn: a heartbeat that came after the suspicion disproves it.
func TestAHeartbeatAfterTheSuspicionDisprovesIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", patient, "gateway"), c.join("b", patient)
	a.stop()
	c.pass(time.Second)
	tx, err := c.transaction()
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	_, err = tx.Exec(t.Context(), `SELECT FROM worker WHERE worker_id = $1 FOR UPDATE`, a.ID())
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := b.rows.takeOver(t.Context(), a.ID(), Refused, 0)
		done <- err
	}()
	c.eventually("it waits", func() bool { return c.waiting("%SELECT 1 FROM worker w%") == 1 })
	_, err = tx.Exec(t.Context(), `UPDATE worker SET expires_at = clock_timestamp() + $2 * interval '1 millisecond' WHERE worker_id = $1`,
		a.ID(), ms(b.rows.timing.ttl))
	require.NoError(t, err)
	c.pass(200 * time.Millisecond) // so that it is an old one when its turn comes
	require.NoError(t, tx.Commit(t.Context()))
	require.ErrorIs(t, <-done, errNotSuspect)
}

// A worker whose own network refuses all its dials would else end everybody, and again whoever comes after them.
func TestWhoIsRefusedByAllDeclaresNobodyDead(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, g := c.join("a", patient), c.join("g", patient, "gateway")
	c.eventually("both are known", func() bool { return len(g.Table().Workers()) == 2 })
	w, ok := g.Table().Worker(a.ID())
	require.True(t, ok)
	refused := func() bool { return g.confirm(t.Context(), suspicion{worker: a.ID(), why: Refused}, w) }
	require.False(t, refused(), "it answers")
	c.refuse(a.addr)
	require.True(t, refused(), "there is nobody else to ask")
	b := c.join("b", patient)
	c.eventually("the second is known", func() bool { return g.Refresh(t.Context()) == nil && len(g.Table().Workers()) == 3 })
	require.True(t, refused(), "the second is refused, too")
	c.refuse(b.addr)
	require.False(t, refused(), "nobody answers")
}

func TestWhoDoesNotHeartbeatDeclaresNobodyDead(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	a.kill()
	b.stop()
	b.rows.pool = c.db
	c.exec(`INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at) VALUES ('a', 'x:1', 'p', '{media}', 1, 1, clock_timestamp())`)
	c.exec(`UPDATE worker SET expires_at = clock_timestamp() - interval '1 ms' WHERE worker_id = $1`, b.ID())
	_, err := b.rows.takeOver(t.Context(), a.ID(), OtherWorker, 0)
	require.ErrorIs(t, err, errNotSuspect)
	require.Equal(t, Live, c.state(a.ID()))

	c.exec(`UPDATE worker SET expires_at = clock_timestamp() + interval '1 minute' WHERE worker_id = $1`, b.ID())
	_, err = b.rows.takeOver(t.Context(), a.ID(), OtherWorker, 0)
	require.NoError(t, err)
	require.Equal(t, Dead, c.state(a.ID()))
}

func TestAfterAPauseOfTheDatabaseNobodyIsDeclaredDead(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(a, b) })
	from := c.seen()
	tx, err := c.transaction()
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE worker`)
	require.NoError(t, err)
	a.heartHangs.Store(true)
	b.heartHangs.Store(true)
	c.pass(10 * time.Second)
	var expired int
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT count(*) FROM worker WHERE expires_at < clock_timestamp() - interval '5 s'`).Scan(&expired))
	require.Equal(t, 2, expired)
	require.NoError(t, tx.Commit(t.Context()))
	a.heartHangs.Store(false)
	b.heartHangs.Store(false)
	c.eventually("both go on", func() bool { return c.settled(a, b) })
	c.eventually("and may judge again", func() bool {
		return a.elapsed()-a.steady.Load() > int64(a.Manager.timing.ttl) && b.elapsed()-b.steady.Load() > int64(b.Manager.timing.ttl)
	})
	require.Equal(t, Live, c.state(a.ID()))
	require.Equal(t, Live, c.state(b.ID()))
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Len(t, c.calls, from, "no shard went anywhere")
}

func TestTakeoverAfterTheHeartbeatExpired(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	dead, b, d := c.join("dead", timing{}), c.join("b", timing{}), c.join("d", timing{})
	g := c.join("g", timing{}, "gateway")
	c.eventually("even", func() bool { return c.settled(dead, b, d) })
	dead.kill()
	began := c.clock.Now()
	c.eventually("the others have all", func() bool { return c.settled(b, d) })
	took := c.clock.Now().Sub(began)
	t.Logf("recovered after %v", took)
	require.Greater(t, took, 1900*time.Millisecond, "the last heartbeat was up to a second old")
	require.Less(t, took, 5*time.Second)
	require.Equal(t, Dead, c.state(dead.ID()))
	c.eventually("the gateway knows", func() bool { _, ok := g.Table().Worker(dead.ID()); return !ok })
}

// Between two beats an observer looks when a heartbeat is about to expire, so its own rhythm adds nothing.
func TestAnExpiryIsNotWaitedForUntilTheNextBeat(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	observer := c.join("observer", timing{ttl: time.Hour, heartbeat: 30 * time.Minute}, "gateway")
	c.exec(`INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
		VALUES ('x', 'x:1', 'p', '{media}', 1, 1, clock_timestamp() + interval '300 ms')`)
	require.NoError(t, observer.Refresh(t.Context()))
	c.eventually("it sees the expiry", func() bool {
		return slices.ContainsFunc(observer.Table().Workers(), func(w Worker) bool { return w.expired })
	})
}

func TestSuccessorOfAPodTakesOverAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	old := c.join("same", patient)
	c.eventually("all", func() bool { return c.settled(old) })
	old.stop()
	began := c.clock.Now()
	successor := c.join("same", patient)
	require.Greater(t, successor.ID(), old.ID())
	c.eventually("the successor has all", func() bool { return c.settled(successor) })
	t.Logf("recovered %v after the successor began to join", c.clock.Now().Sub(began))
	require.Equal(t, Dead, c.state(old.ID()))
}

func TestAFreshProcessOwnsNothingOfItsPredecessor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	old := c.join("same", timing{})
	c.eventually("all", func() bool { return c.settled(old) })
	_, epoch, _ := c.owner(7)
	c.join("same", timing{}) // while the old one lives, as after a partition
	require.ErrorIs(t, old.end(), ErrDeclaredDead)
	_, ok := old.OwnLease(7)
	require.False(t, ok)
	require.Zero(t, old.serves(), "it was told that it lost all")
	_, err := c.block("zombie", old.ID(), 7, epoch)
	require.ErrorContains(t, err, "MX001")
}

func TestTakeoverWaitsForTheZombiesBlock(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	zombie, b := c.join("zombie", timing{}), c.join("b", timing{})
	c.eventually("even", func() bool { return c.settled(zombie, b) })
	var shard int
	for s := range zombie.Held() {
		shard = s
	}
	_, epoch, _ := c.owner(shard)
	tx, err := c.block("not by this name", zombie.ID(), shard, epoch)
	require.NoError(t, err)

	zombie.kill()
	b.Suspect(zombie.ID(), Refused)
	c.eventually("the takeover waits", func() bool { return c.waiting("%FOR UPDATE%") > 0 })
	owner, _, _ := c.owner(shard)
	require.Equal(t, zombie.ID(), owner)
	require.NoError(t, tx.Commit(t.Context()), "what began under the lease commits")
	c.eventually("b has all", func() bool { return c.settled(b) })

	_, err = c.block("zombie", zombie.ID(), shard, epoch)
	var pg *pgconn.PgError
	require.True(t, errors.As(err, &pg))
	require.Equal(t, "MX001", pg.Code, "what begins after it does not")
	_, now, _ := c.owner(shard)
	require.Greater(t, now, epoch)
}

func TestTakeoverEndsTheDeadWorkersBackends(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	dead, b := c.join("dead", patient), c.join("b", patient)
	c.eventually("even", func() bool { return c.settled(dead, b) })
	var shard int
	for s := range dead.Held() {
		shard = s
	}
	_, epoch, _ := c.owner(shard)
	tx, err := c.block(ApplicationName(dead.ID()), dead.ID(), shard, epoch)
	require.NoError(t, err)
	dead.kill()
	b.Suspect(dead.ID(), Refused)
	c.eventually("b has all although a block was open", func() bool { return c.settled(b) })
	require.Error(t, tx.Commit(t.Context()))
}

// It has a server of its own: there every synchronous commit waits for a standby that isn't there.
func TestTakeoverNeverEndsWhatWaitsForAStandby(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "lease") // t.TempDir's parent is closed to the user that runs Postgres
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	server, err := pgtest.Start(t.Context(), dir, "synchronous_commit=local", "fsync=off")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	uri := server.URI("postgres")
	conn, err := pgx.Connect(t.Context(), uri)
	require.NoError(t, err)
	_, err = schema.Migrate(t.Context(), conn, schema.Options{ServerName: pgtest.ServerName, Shards: 8})
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))

	c := clusterAt(t, uri)
	dead := c.join("dead", timing{})
	c.eventually("all", func() bool { return c.settled(dead) })
	dead.stop()
	c.exec(`ALTER SYSTEM SET synchronous_standby_names = 'absent'`)
	c.exec(`SELECT pg_reload_conf()`)
	c.eventually("there is a standby to wait for", func() bool {
		return c.count(`SELECT count(*) FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting = 'absent'`) == 1
	})
	lane, err := postgres.Connect(t.Context(), uri, ApplicationName(dead.ID()))
	require.NoError(t, err)
	_, err = lane.Exec(t.Context(), `SET synchronous_commit = on`)
	require.NoError(t, err)
	committed := make(chan error, 1)
	go func() {
		_, err := lane.Exec(t.Context(), `SELECT block_begin($1, 'room', '{3}', (SELECT array_agg(epoch) FROM shard_lease WHERE shard_id = 3),
			(SELECT generation FROM cluster_state), '{}', '{}', '{}')`, dead.ID())
		committed <- err
	}()
	c.eventually("its commit waits for the standby", func() bool {
		return c.count(`SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`) == 1
	})

	successor := c.join("dead", timing{})
	c.eventually("the takeover waits for it", func() bool { return c.waiting("%FOR UPDATE%") > 0 })
	require.Empty(t, committed)
	c.exec(`ALTER SYSTEM SET synchronous_standby_names = ''`)
	c.exec(`SELECT pg_reload_conf()`)
	c.eventually("its commit comes back", func() bool { return len(committed) == 1 })
	require.NoError(t, <-committed, "it was not ended")
	require.NoError(t, lane.Close(t.Context()))
	c.eventually("the takeover goes through", func() bool { return c.settled(successor) })
}
