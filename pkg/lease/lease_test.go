package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// cluster is one homeserver: a database, workers in this process, the wires between them, and the clock of all.
type cluster struct {
	t     *testing.T
	uri   string
	db    *pgxpool.Pool
	clock *testClock

	mu      sync.Mutex
	nodes   []*node
	joining atomic.Int64
	late    time.Time // since then somebody has something to begin, by the machine's clock
	peers   map[string]*Manager
	down    map[string]bool // addresses that refuse dials
	deaf    map[string]bool // addresses that answer nothing
	calls   []call          // of all holders, in order
}

// everyShard stands in a call for all shards.
const everyShard = -1

// call is one call of a holder.
type call struct {
	worker int64
	what   string
	shard  int
	epoch  int64
	at     time.Time
}

// newCluster also has the database itself watch over the rows: an epoch that shrinks, or an owner that changes without a
// new epoch, fails the test at its end.
func newCluster(t *testing.T) *cluster { return clusterAt(t, pgtest.New(t)) }

func clusterAt(t *testing.T, uri string) *cluster {
	clock := newTestClock()
	pgtest.OwnClock(t, uri, clock.Now())
	db, err := postgres.Open(t.Context(), uri, postgres.Options{MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	_, err = db.Exec(t.Context(), `
CREATE TABLE audit (shard_id int, old_owner bigint, new_owner bigint, old_epoch bigint, new_epoch bigint);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF old.owner IS DISTINCT FROM new.owner OR old.epoch <> new.epoch THEN
        INSERT INTO audit VALUES (new.shard_id, old.owner, new.owner, old.epoch, new.epoch);
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER audit BEFORE UPDATE ON shard_lease FOR EACH ROW EXECUTE FUNCTION audit();`)
	require.NoError(t, err)
	c := &cluster{t: t, uri: uri, db: db, clock: clock, peers: map[string]*Manager{}, down: map[string]bool{}, deaf: map[string]bool{}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		var wrong int
		err := db.QueryRow(ctx, `SELECT count(*) FROM audit WHERE new_epoch <= old_epoch`).Scan(&wrong)
		require.NoError(t, err)
		require.Zero(t, wrong, "epochs that did not grow")
	})
	return c
}

func (c *cluster) exec(sql string, args ...any) {
	c.t.Helper()
	_, err := c.db.Exec(c.t.Context(), sql, args...)
	require.NoError(c.t, err)
}

// transaction begins one that the server does not end, however long a slow machine lets it wait. It ends with the test at
// the latest.
func (c *cluster) transaction() (pgx.Tx, error) {
	tx, err := c.db.Begin(c.t.Context())
	if err != nil {
		return nil, err
	}
	c.t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(c.t.Context())) })
	_, err = tx.Exec(c.t.Context(), `SET LOCAL idle_in_transaction_session_timeout = 0`)
	return tx, err
}

// count runs a query of one number.
func (c *cluster) count(sql string, args ...any) (n int) {
	c.t.Helper()
	require.NoError(c.t, c.db.QueryRow(c.t.Context(), sql, args...).Scan(&n))
	return n
}

// eventually lets time pass until ok.
func (c *cluster) eventually(what string, ok func() bool) {
	c.t.Helper()
	require.True(c.t, c.until(ok, func() time.Duration { return longestStep }), "never: %s; %s", what, c.standing())
}

func (c *cluster) Nudge(_ context.Context, addr string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down[addr] || c.peers[addr] == nil {
		return errors.New("connection refused")
	}
	c.peers[addr].Nudged()
	return nil
}

func (c *cluster) Probe(_ context.Context, via, target string, id int64) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down[via] || c.deaf[via] {
		return false, errors.New("connection refused")
	}
	if c.deaf[target] {
		return false, ErrNoAnswer
	}
	return c.down[target] || c.peers[target] == nil || c.peers[target].ID() != id, nil
}

// refuse makes an address refuse dials.
func (c *cluster) refuse(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down[addr] = true
}

// deafen makes addresses answer nothing, to nobody; or to everybody again.
func (c *cluster) deafen(deaf bool, nodes ...*node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range nodes {
		c.deaf[n.addr] = deaf
	}
}

func (c *cluster) record(worker int64, what string, shard int, epoch int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call{worker, what, shard, epoch, c.clock.Now()})
}

// history returns the calls for a shard, from the n-th call of all on.
func (c *cluster) history(n, shard int) (some []call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.calls[n:] {
		if x.shard == shard {
			some = append(some, x)
		}
	}
	return some
}

func (c *cluster) seen() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

// node is one worker.
type node struct {
	*Manager
	c    *cluster
	addr string
	pool *pgxpool.Pool
	stop context.CancelFunc
	err  chan error // what Run returned

	clock      *workersClock
	hangs      atomic.Bool // its work, for a while
	heartHangs atomic.Bool // its heartbeats, too
	ended      atomic.Bool // Run has returned

	mu      sync.Mutex
	serving map[int]int64
	quiesce func(ctx context.Context, shard int) error // may be nil
}

// join starts a worker. Its roles are those of a persister unless others are given.
func (c *cluster) join(pod string, tm timing, roles ...string) *node {
	c.t.Helper()
	return c.joinAs(pod, tm, func(n *node) Holder { return n }, roles...)
}

func (c *cluster) joinAs(pod string, tm timing, holder func(*node) Holder, roles ...string) *node {
	c.t.Helper()
	if roles == nil {
		roles = []string{RolePersister}
	}
	pool, err := postgres.Open(c.t.Context(), c.uri, postgres.Options{MaxConns: 4})
	require.NoError(c.t, err)
	c.mu.Lock()
	addr := fmt.Sprintf("10.0.0.%d:8090", len(c.peers)+1)
	c.mu.Unlock()
	n := &node{c: c, addr: addr, pool: pool, err: make(chan error, 1), serving: map[int]int64{}, clock: &workersClock{testClock: c.clock}}
	log := slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	self := Self{Pod: pod, Addr: addr, Pool: "p", Roles: roles, Protocol: liveMap}
	options := Options{Holder: holder(n), Peer: c, Logger: log.With("pod", pod), timing: tm, clock: n.clock}
	c.joining.Add(1)
	err = await(c, func() (err error) { n.Manager, err = Join(c.t.Context(), pool, self, options); return err })
	c.joining.Add(-1)
	require.NoError(c.t, err)
	n.OnReset(func(generation int64) { c.record(n.ID(), "Reset", everyShard, generation) })
	c.mu.Lock()
	c.peers[addr] = n.Manager
	c.nodes = append(c.nodes, n)
	c.mu.Unlock()
	ctx, cancel := context.WithCancel(c.t.Context())
	ended := make(chan struct{})
	go func() {
		err := n.Run(ctx)
		n.ended.Store(true)
		n.err <- err
		close(ended)
	}()
	n.stop = func() {
		cancel()
		<-ended
		pool.Close()
	}
	c.t.Cleanup(n.stop)
	return n
}

// kill is SIGKILL: from one moment to the next it refuses dials and is silent.
func (n *node) kill() {
	n.c.refuse(n.addr)
	n.stop()
}

func (n *node) Quiesce(ctx context.Context, shard int) error {
	n.c.record(n.ID(), "Quiesce", shard, 0)
	n.mu.Lock()
	hook := n.quiesce
	n.mu.Unlock()
	if hook != nil {
		return hook(ctx, shard)
	}
	return nil
}

func (n *node) onQuiesce(hook func(ctx context.Context, shard int) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.quiesce = hook
}

func (n *node) Granted(shard int, epoch int64) {
	n.c.record(n.ID(), "Granted", shard, epoch)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.serving[shard] = epoch
}

func (n *node) Lost(shard int) {
	n.c.record(n.ID(), "Lost", shard, 0)
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.serving, shard)
}

// serves returns how many shards the holder serves, all of them rightly according to the rows.
func (n *node) serves() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.serving)
}

// owner returns a shard's row.
func (c *cluster) owner(shard int) (owner, epoch int64, claimed bool) {
	c.t.Helper()
	err := c.db.QueryRow(c.t.Context(), `SELECT coalesce(owner, 0), epoch, claimed FROM shard_lease WHERE space = 'room' AND shard_id = $1`,
		shard).Scan(&owner, &epoch, &claimed)
	require.NoError(c.t, err)
	return owner, epoch, claimed
}

// settled says whether every shard is served by its owner, at the row's epoch, and by nobody else, as evenly as can be.
func (c *cluster) settled(nodes ...*node) bool {
	c.t.Helper()
	rows, err := c.db.Query(c.t.Context(), `SELECT shard_id, coalesce(owner, 0), epoch, claimed AND target IS NULL FROM shard_lease WHERE space = 'room'`)
	require.NoError(c.t, err)
	type row struct {
		Shard        int
		Owner, Epoch int64
		Calm         bool
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	require.NoError(c.t, err)
	byID := map[int64]*node{}
	total, least, most := 0, len(all), 0
	for _, n := range nodes {
		byID[n.ID()] = n
		s := n.serves()
		total, least, most = total+s, min(least, s), max(most, s)
	}
	if total != len(all) || most-least > 1 {
		return false
	}
	for _, r := range all {
		n := byID[r.Owner]
		if n == nil || !r.Calm {
			return false
		}
		n.mu.Lock()
		epoch := n.serving[r.Shard]
		n.mu.Unlock()
		if own, ok := n.OwnLease(r.Shard); epoch != r.Epoch || !ok || own != epoch {
			return false
		}
	}
	return true
}

// block opens a block as a lane of the worker would, in a session with the given application name, and leaves it open.
func (c *cluster) block(app string, worker int64, shard int, epoch int64) (pgx.Tx, error) {
	conn, err := postgres.Connect(c.t.Context(), c.uri, app)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(c.t.Context())) })
	tx, err := conn.Begin(c.t.Context())
	require.NoError(c.t, err)
	_, err = tx.Exec(c.t.Context(), `SELECT block_begin($1, 'room', $2, $3, (SELECT generation FROM cluster_state), '{}', '{}', '{}')`,
		worker, []int{shard}, []int64{epoch})
	return tx, err
}

// waiting is the number of statements that wait for a lock on this database.
func (c *cluster) waiting(like string) int {
	return c.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1`, like)
}
