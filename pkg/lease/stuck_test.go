package lease

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres"
)

// progress makes a node's holder tell about its progress.
type progress struct {
	*node
	stalled func() time.Duration
}

func (p progress) Stalled() time.Duration { return p.stalled() }

// joinWatched starts a worker whose holder tells about its progress. stalled may be called before the worker has joined.
func (c *cluster) joinWatched(pod string, tm timing, stalled func() time.Duration) *node {
	c.t.Helper()
	return c.joinAs(pod, tm, func(n *node) Holder { return progress{n, stalled} })
}

// joinThatWillStand starts a worker that owns all shards and gives up soon, and whose lanes make no progress any more once
// stand is called.
func (c *cluster) joinThatWillStand() (n *node, stuck time.Duration, stand func()) {
	c.t.Helper()
	stands, tm := make(chan struct{}), patient
	tm.stuck = time.Second / 2
	n = c.joinWatched("a", tm, func() time.Duration {
		select {
		case <-stands:
			return time.Hour
		default:
			return 0
		}
	})
	c.eventually("all", func() bool { return c.settled(n) })
	return n, tm.stuck, func() { close(stands) }
}

func TestAWorkerThatIsStuckGivesUp(t *testing.T) {
	t.Parallel()
	for name, hang := range map[string]func(ill <-chan struct{}) time.Duration{
		"a lane stands still": func(ill <-chan struct{}) time.Duration {
			select {
			case <-ill:
				return time.Minute
			default:
				return 0
			}
		},
		"the holder does not even answer": func(ill <-chan struct{}) time.Duration {
			select {
			case <-ill:
				<-t.Context().Done()
			default:
			}
			return 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			ill := make(chan struct{})
			a := c.joinWatched("a", patient, func() time.Duration { return hang(ill) }) // nobody else could notice
			b := c.join("b", patient)
			c.eventually("even", func() bool { return c.settled(a, b) })
			var shard int
			for s := range a.Held() {
				shard = s
			}
			_, epoch, _ := c.owner(shard)
			close(ill)
			began := c.clock.Now()
			c.eventually("b has all", func() bool { return c.settled(b) })
			require.Less(t, c.clock.Now().Sub(began), 8*time.Second)
			require.ErrorIs(t, a.end(), ErrDeclaredDead)
			require.Equal(t, Dead, c.state(a.ID()))
			require.Equal(t, 1, c.count(`SELECT count(*) FROM worker WHERE died_of = 'stuck'`))
			require.Zero(t, a.serves(), "its holder was told")
			_, err := c.block("zombie", a.ID(), shard, epoch)
			require.ErrorContains(t, err, "MX001")
		})
	}
}

func TestShortOfTheLimitNobodyGivesUp(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	asked := make(chan struct{}, 64)
	a := c.joinWatched("a", timing{ttl: time.Hour, stuck: time.Minute}, func() time.Duration {
		select {
		case asked <- struct{}{}:
		default:
		}
		return 50 * time.Second
	})
	<-asked
	a.Nudged()
	require.NoError(t, a.Refresh(t.Context()))
	c.eventually("it serves", func() bool { return c.settled(a) })
	require.Empty(t, a.err)
}

// After the database was away all lanes have stood still for long, and no other worker's would have done better.
func TestOnlyTimeInWhichTheHeartBeatsCounts(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.joinWatched("a", timing{stuck: 20 * time.Second}, func() time.Duration { return time.Hour })
	c.pass(19 * time.Second)
	require.Equal(t, Live, c.state(a.ID()))
	a.heartHangs.Store(true)
	tx, err := c.transaction()
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE worker`)
	require.NoError(t, err)
	c.pass(10 * time.Second)
	require.NoError(t, tx.Commit(t.Context()))
	a.heartHangs.Store(false)
	c.eventually("its heart beats again", func() bool { return a.healthy() })
	c.pass(18 * time.Second)
	require.Equal(t, Live, c.state(a.ID()))
	require.ErrorIs(t, a.end(), ErrDeclaredDead)
}

// What the server itself keeps waiting another worker would wait for as well.
func TestWhoWaitsForTheServerIsNotStuck(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", patient)
	c.eventually("all", func() bool { return c.settled(a) })
	tx, err := c.transaction()
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE room`)
	require.NoError(t, err)
	lane, err := postgres.Connect(t.Context(), c.uri, ApplicationName(a.ID()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = lane.Close(context.WithoutCancel(t.Context())) })
	done := make(chan error, 1)
	go func() {
		_, err := lane.Exec(t.Context(), `SET lock_timeout = 0; INSERT INTO room VALUES ('!a:x', 1, '11', '@a:x', 1)`)
		done <- err
	}()
	c.eventually("its lane waits, and has for a second", func() bool {
		return c.count(`SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()
			AND wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '1 second'`, ApplicationName(a.ID())) == 1
	})
	_, err = a.rows.takeOver(t.Context(), a.ID(), stuck, 0)
	require.ErrorIs(t, err, errNotSuspect)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-done)
	_, err = a.rows.takeOver(t.Context(), a.ID(), stuck, 0)
	require.NoError(t, err, "now it would be its own fault")
	require.ErrorIs(t, a.end(), ErrDeclaredDead)
}

// A lane that does not know what became of a block waits for the block's rows, which somebody else may have locked: its
// worker has other lanes.
func TestWhoWaitsForRowsThatOthersLockIsNotStuck(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, stuck, stand := c.joinThatWillStand()
	_, epoch, _ := c.owner(3)
	tx, err := c.transaction()
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM shard_lease WHERE shard_id = 3 FOR UPDATE`)
	require.NoError(t, err)
	a.hangs.Store(true)
	raised := make(chan error, 1)
	go func() {
		_, err := a.Raise(t.Context(), map[int]int64{3: epoch})
		raised <- err
	}()
	c.eventually("it waits", func() bool { return a.raising.Load() == 1 })
	stand()
	c.pass(4 * stuck)
	require.Empty(t, raised)
	require.NoError(t, tx.Commit(t.Context()))
	c.eventually("it has them", func() bool { return len(raised) == 1 })
	require.NoError(t, <-raised)
	a.hangs.Store(false)
	c.pass(stuck / 2)
	require.Equal(t, Live, c.state(a.ID()), "it has just begun to be able to")
	require.ErrorIs(t, a.end(), ErrDeclaredDead)
}

// A lane that raises again and again, as one does that cannot connect, is stuck all the same.
func TestARaiseThatDoesNotWaitExcusesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, stuck, stand := c.joinThatWillStand()
	_, epoch, _ := c.owner(3)
	stand()
	for range 8 {
		raised, err := a.Raise(t.Context(), map[int]int64{3: epoch})
		if err != nil || raised[3] == 0 {
			break // it has given up
		}
		epoch = raised[3]
		c.pass(stuck / 4)
	}
	require.ErrorIs(t, a.end(), ErrDeclaredDead)
	require.Zero(t, a.raised.Load())
}

func TestNobodyIsStuckForAnother(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.join("a", patient), c.join("b", patient)
	_, err := b.rows.takeOver(t.Context(), a.ID(), stuck, 0)
	require.ErrorIs(t, err, errNotSuspect)
	require.Equal(t, Live, c.state(a.ID()))
}
