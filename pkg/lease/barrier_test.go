package lease

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/schema"
)

// pair is a primary with a standby, and a URI that leads to whichever of them takes writes.
type pair struct {
	t                *testing.T
	primary, standby *pgtest.Server
	uri              string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	dir, err := os.MkdirTemp("", "lease") // t.TempDir's parent is closed to the user that runs Postgres
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	p := &pair{t: t}
	p.primary, err = pgtest.Start(t.Context(), filepath.Join(dir, "primary"), "fsync=off")
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.primary.Stop() })
	conn := p.connect(p.primary)
	_, err = schema.Migrate(t.Context(), conn, schema.Options{ServerName: pgtest.ServerName, Shards: 8})
	require.NoError(t, err)
	p.standby, err = p.primary.Standby(t.Context(), filepath.Join(dir, "standby"), p.primary.Addr(), "fsync=off")
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.standby.Stop() })
	p.uri = fmt.Sprintf("postgres://postgres@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write", p.primary.Addr(), p.standby.Addr())
	return p
}

func (p *pair) connect(s *pgtest.Server) *pgx.Conn {
	p.t.Helper()
	conn, err := pgx.Connect(p.t.Context(), s.URI("postgres"))
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(p.t.Context())) })
	return conn
}

// part lets the standby have all that was written so far, and nothing of what comes.
func (p *pair) part() {
	p.t.Helper()
	primary, standby := p.connect(p.primary), p.connect(p.standby)
	var lsn string
	require.NoError(p.t, primary.QueryRow(p.t.Context(), `SELECT pg_current_wal_flush_lsn()`).Scan(&lsn))
	caughtUp := func() bool {
		var done bool
		require.NoError(p.t, standby.QueryRow(p.t.Context(), `SELECT pg_last_wal_replay_lsn() >= $1`, lsn).Scan(&done))
		return done
	}
	require.Eventually(p.t, caughtUp, time.Minute, 5*time.Millisecond)
	require.NoError(p.t, p.standby.Stop())
}

// failOver promotes the standby in the primary's place.
func (p *pair) failOver() {
	p.t.Helper()
	require.NoError(p.t, p.primary.Crash())
	require.NoError(p.t, p.standby.Restart(p.t.Context()))
	require.NoError(p.t, p.standby.Promote(p.t.Context()))
}

// begin opens and commits a block of no shard's, and returns its number.
func (c *cluster) begin(generation int64) (block int64, err error) {
	err = c.db.QueryRow(c.t.Context(), `SELECT block_begin(0, 'room', '{}', '{}', $1, '{}', '{}', '{}')`, generation).Scan(&block)
	return block, err
}

// The standby that is promoted lacks the last that was acknowledged. No number of that lost past comes again, whoever
// remembers it drops it, and all workers go on.
func TestAPromotedStandbyThatLagged(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	c := clusterAt(t, p.uri)
	a, b := c.join("a", timing{}), c.join("b", timing{})
	g := c.join("g", timing{}, "gateway")
	c.eventually("even", func() bool { return c.settled(a, b) })
	require.EqualValues(t, 1, a.Generation())

	p.part()
	var shard int
	for s := range a.Held() {
		shard = s
	}
	_, before, _ := c.owner(shard)
	_, err := a.Raise(t.Context(), map[int]int64{shard: before})
	require.NoError(t, err)
	_, lost, _ := c.owner(shard)
	require.Equal(t, before+1, lost)
	var block int64
	for range 20 {
		block, err = c.begin(1)
		require.NoError(t, err)
	}
	passing := c.join("passing", timing{}, "gateway")
	passing.stop()

	from := c.seen()
	p.failOver()
	c.db.Reset()
	c.eventually("they go on", func() bool { return a.Generation() > 1 && c.settled(a, b) })
	c.eventually("all learn of it", func() bool { return b.Generation() == 2 && g.Generation() == 2 })
	require.Equal(t, 1, c.count(`SELECT count(*) FROM cluster_now WHERE same AND generation = 2`), "one of them did it, once")
	require.Empty(t, a.err)
	require.Empty(t, b.err)
	require.Equal(t, 8, c.count(`SELECT count(*) FROM shard_lease WHERE epoch > $1`, lost))
	require.Equal(t, 1, c.count(`SELECT count(*) FROM stream_block WHERE block > $1`, block), "P leaps without waiting for a write")

	next, err := c.begin(2)
	require.NoError(t, err)
	require.Greater(t, next, block)
	_, err = c.begin(1)
	require.ErrorContains(t, err, "MX002")
	_, err = c.block("lane", a.ID(), shard, lost)
	require.ErrorContains(t, err, "MX001")
	require.Greater(t, c.join("next", timing{}, "gateway").ID(), passing.ID(), "an id is never used again")

	var order []string // by no clock, which stands still meanwhile
	c.mu.Lock()
	for _, x := range c.calls[from:] {
		if x.worker == a.ID() && (x.what == "Reset" || x.shard == shard && (x.what == "Lost" || x.what == "Granted" && x.epoch > epochLeap)) {
			order = append(order, x.what)
		}
	}
	c.mu.Unlock()
	reset := slices.Index(order, "Reset")
	require.Positive(t, reset, "it lets go before it forgets")
	require.NotContains(t, order[:reset], "Granted", "it forgets before it is granted anything")
	require.NotContains(t, order[reset+1:], "Reset", "it forgets once")
}

// Nobody writes to a promoted server before the barrier, whatever it remembers or does not.
func TestWritesWaitForTheBarrier(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	c := clusterAt(t, p.uri)
	a := c.join("a", timing{})
	c.eventually("all", func() bool { return c.settled(a) })
	a.stop()
	_, epoch, _ := c.owner(3)
	p.part()
	p.failOver()
	c.db.Reset()
	_, err := c.begin(1)
	require.ErrorContains(t, err, "MX003")
	_, err = c.block("lane", a.ID(), 3, epoch)
	require.ErrorContains(t, err, "MX003")
	ok, err := rows{pool: c.db, me: a.ID()}.verify(t.Context(), 3, epoch, 1)
	require.NoError(t, err)
	require.False(t, ok, "what is remembered need not be so")

	b := c.join("b", timing{})
	require.EqualValues(t, 2, b.Generation(), "who comes then begins the new generation")
	_, err = c.begin(2)
	require.NoError(t, err)
}

func TestACrashedServerThatComesBackNeedsNoBarrier(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	c := clusterAt(t, p.primary.URI("postgres"))
	a := c.join("a", timing{})
	c.eventually("all", func() bool { return c.settled(a) })
	_, epoch, _ := c.owner(3)
	from := c.seen()
	require.NoError(t, p.primary.Crash())
	require.NoError(t, p.primary.Restart(t.Context()))
	c.db.Reset()
	c.pass(2 * time.Second) // so its heart notices
	c.eventually("it goes on, and claims again what was lost", func() bool { return c.settled(a) })
	require.NoError(t, a.Refresh(t.Context()))
	require.EqualValues(t, 1, a.Generation())
	_, now, _ := c.owner(3)
	require.Equal(t, epoch, now)
	for _, x := range c.history(from, 3) {
		require.NotEqual(t, "Lost", x.what)
	}
}

// A backup of the same timeline says nothing of itself: only who remembers can tell.
func TestARestoredBackupIsToldByMemory(t *testing.T) {
	t.Parallel()
	for name, restore := range map[string]string{
		"a generation is gone":   `UPDATE cluster_state SET generation = 0`,
		"an epoch has been less": `UPDATE shard_lease SET epoch = epoch - 1 WHERE shard_id = 5`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			a, b := c.join("a", timing{}), c.join("b", timing{})
			c.eventually("even", func() bool { return c.settled(a, b) })
			c.exec(`DROP TRIGGER audit ON shard_lease`)
			c.exec(restore)
			c.eventually("a new generation", func() bool { return a.Generation() == 2 && b.Generation() == 2 })
			c.eventually("they go on", func() bool { return c.settled(a, b) })
			require.Equal(t, 64, c.count(`SELECT count(*) FROM shard_lease WHERE epoch > $1`, epochLeap-1))
		})
	}
}

func TestWhatFollowsWhatIsRemembered(t *testing.T) {
	t.Parallel()
	had := life{database: "d", generation: 3, timeline: "0000000A", system: 7, same: true}
	for name, x := range map[string]struct {
		change func(*life)
		want   error
	}{
		"nothing new":               {func(*life) {}, nil},
		"another's barrier":         {func(l *life) { l.generation, l.timeline = 4, "0000000B" }, nil},
		"begun by who knew less":    {func(l *life) { l.timeline = "0000000B" }, errBarrierDue},
		"begun by it elsewhere":     {func(l *life) { l.system, l.timeline = 8, "00000001" }, errBarrierDue},
		"a promoted standby":        {func(l *life) { l.timeline, l.same = "0000000B", false }, errBarrierDue},
		"restored elsewhere":        {func(l *life) { l.system, l.timeline, l.same = 8, "00000001", false }, errBarrierDue},
		"a backup of this timeline": {func(l *life) { l.generation = 2 }, errBarrierDue},
		"a backup of an older one":  {func(l *life) { l.generation, l.timeline, l.same = 2, "00000009", false }, errBarrierDue},
		"a former primary":          {func(l *life) { l.generation, l.timeline = 2, "00000009" }, errFormer},
		"somebody else's":           {func(l *life) { l.database, l.generation = "e", 1 }, errOtherDatabase},
		"somebody else's, promoted": {func(l *life) { l.database, l.same = "e", false }, errOtherDatabase},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := had
			x.change(&now)
			require.ErrorIs(t, had.follows(now), x.want)
		})
	}
	require.NoError(t, life{}.follows(had), "who remembers nothing believes everything")
}

func TestABarrierIsNeverForAnotherDatabase(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	r := rows{pool: c.db}
	_, err := r.barrier(t.Context(), life{database: "00000000-0000-0000-0000-000000000000", generation: 99}, setBack{})
	require.ErrorIs(t, err, errOtherDatabase)
	require.Equal(t, 1, c.count(`SELECT generation FROM cluster_state`))

	a := c.join("a", timing{})
	c.eventually("all", func() bool { return c.settled(a) })
	c.exec(`UPDATE cluster_state SET database_id = gen_random_uuid(), generation = 0`)
	require.ErrorIs(t, a.end(), errOtherDatabase)
	require.Equal(t, 0, c.count(`SELECT generation FROM cluster_state`))
}

// Two barriers at once are one.
func TestABarrierThatSomebodyElseBegan(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	r := rows{pool: c.db, timing: timing{}.withDefaults(), clock: machineClock{}}
	var id string
	require.NoError(t, c.db.QueryRow(t.Context(), `SELECT database_id::text FROM cluster_state`).Scan(&id))
	c.exec(`UPDATE cluster_state SET timeline = 'other'`)
	tx, err := c.transaction()
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	_, err = tx.Exec(t.Context(), `SELECT FROM cluster_state FOR UPDATE`)
	require.NoError(t, err)
	type result struct {
		began bool
		err   error
	}
	results := make(chan result, 2)
	for range 2 {
		go func() {
			began, err := r.barrier(t.Context(), life{database: id, generation: 1}, setBack{})
			results <- result{began, err}
		}()
	}
	c.eventually("both wait", func() bool { return c.waiting("%cluster_state FOR UPDATE%") == 2 })
	require.NoError(t, tx.Commit(t.Context()))
	first, second := <-results, <-results
	require.NoError(t, first.err)
	require.NoError(t, second.err)
	require.NotEqual(t, first.began, second.began)
	require.Equal(t, 2, c.count(`SELECT generation FROM cluster_state`))
}

// The barrier's block is one as all others: P does not pass what was registered before it.
func TestABarrierWaitsForBlocksInFlight(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.join("a", patient)
	c.eventually("all", func() bool { return c.settled(a) })
	_, epoch, _ := c.owner(3)
	tx, err := c.block("lane", a.ID(), 3, epoch)
	require.NoError(t, err)
	a.stop()
	r := rows{pool: c.db, timing: timing{}.withDefaults(), clock: machineClock{}}
	var id string
	require.NoError(t, c.db.QueryRow(t.Context(), `SELECT database_id::text FROM cluster_state`).Scan(&id))
	done := make(chan error, 1)
	go func() {
		_, err := r.barrier(t.Context(), life{database: id, generation: 2}, setBack{})
		done <- err
	}()
	c.eventually("it waits", func() bool { return c.waiting("%shard_lease%FOR UPDATE%") == 1 })
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-done)
	require.Equal(t, 3, c.count(`SELECT generation FROM cluster_state`))
	lane, err := postgres.Connect(t.Context(), c.uri, "lane")
	require.NoError(t, err)
	defer lane.Close(t.Context())
	var last, leapt int64
	require.NoError(t, lane.QueryRow(t.Context(), `SELECT min(block), max(block) FROM stream_block`).Scan(&last, &leapt))
	require.Greater(t, leapt-last, int64(blockLeap))
}
