package persister

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/lag"
	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/postgres"
)

// Options of [New]. Those without a default are required.
type Options struct {
	Source     *postgres.Source // for the lanes' direct connections
	Pool       *pgxpool.Pool    // for reads
	DatabaseID string           // schema.Identity.DatabaseID: a lane writes to no other database
	Generation int64            // schema.Identity.Generation: a lane stops when the database has another
	ServerName id.ServerName    // of the users who may write
	Signer     event.Signer     // of this server
	Leases     Leases           // what this worker owns
	Publisher  Publisher        // where copies of committed blocks go
	Poke       func() bool      // wakes an announcer in this process, and reports whether it is the one; nil: none
	// SendCopies posts a body to CopiesPath at another worker; nil: rooms are not copied at a handoff.
	SendCopies func(ctx context.Context, worker int64, body []byte) error
	Logger     *slog.Logger          // nil: slog.Default()
	Registerer prometheus.Registerer // where metrics go; nil: nowhere

	Lanes      int // connections for writing, 1 to 64; default 4
	CacheRooms int // rooms in memory, over all lanes; default 20,000
	CacheBytes int // bytes of state in memory, over all lanes; default 96 MiB; a process takes about twice as many for them, as the garbage collector lets the heap double
	MemoryKeys int // deduplication keys in memory, over all lanes; default 40,000

	now func() time.Time // tests set it
}

// defaultCacheBytes keeps 10,000 rooms of 20 members, and a process that has them below 250 MB.
const defaultCacheBytes = 96 << 20

// A Persister writes the rooms of the shards that this worker owns. It is the lease.Holder of its worker.
type Persister struct {
	opts    Options
	lanes   []*lane
	heralds []*herald
	reader  reader
	copies  *copies
	sending chan struct{} // of capacity maxSending
	news    bell          // rings at each Granted and Lost
	log     *slog.Logger
}

// New makes a persister; it writes nothing before [Persister.Run].
func New(opts Options) (*Persister, error) {
	opts.Lanes = cmp.Or(opts.Lanes, 4)
	opts.CacheRooms = cmp.Or(opts.CacheRooms, 20_000)
	opts.CacheBytes = cmp.Or(opts.CacheBytes, defaultCacheBytes)
	opts.MemoryKeys = cmp.Or(opts.MemoryKeys, 40_000)
	opts.Logger = cmp.Or(opts.Logger, slog.Default())
	if opts.now == nil {
		opts.now = time.Now
	}
	if opts.Lanes < 1 || opts.Lanes > 64 {
		return nil, fmt.Errorf("persister: %d lanes, must be 1 to 64", opts.Lanes)
	}
	if opts.DatabaseID == "" || opts.Signer == nil || opts.Leases == nil || opts.Publisher == nil || opts.Pool == nil {
		return nil, errors.New("persister: Pool, DatabaseID, Signer, Leases and Publisher are required")
	}
	p := &Persister{opts: opts, reader: reader{opts.Pool, opts.Leases}, sending: make(chan struct{}, maxSending), log: opts.Logger}
	m := newMeter(opts.Registerer, func() float64 { return p.Lag().Oldest.Seconds() })
	p.copies = newCopies(m.copies)
	for range opts.Lanes {
		s := &session{
			source: opts.Source, name: lease.ApplicationName(opts.Leases.ID()),
			leases: opts.Leases, worker: opts.Leases.ID(), databaseID: opts.DatabaseID,
		}
		h := newHerald(opts.Publisher, opts.Poke, p.log, m)
		p.heralds = append(p.heralds, h)
		p.lanes = append(p.lanes, newLane(laneConfig{
			pipe: pipeline{
				commit: s.commit, resolve: s.resolve, close: s.close,
				repeated: p.reader.repeated, load: p.reader.load, publish: h.publish,
			},
			leases: opts.Leases, forge: forge{opts.Signer, opts.now}, log: p.log, meter: m, copies: p.copies,
			cacheRooms: max(1, opts.CacheRooms/opts.Lanes), cacheBytes: max(1, opts.CacheBytes/opts.Lanes),
			memoryKeys: max(1, opts.MemoryKeys/opts.Lanes),
		}))
	}
	return p, nil
}

// Run writes until ctx ends, then brings what is in flight to its end and answers 503 to what is not. An error means
// that this process must not write any more: the database is another one.
func (p *Persister) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, l := range p.lanes {
		g.Go(func() error { return l.run(ctx) })
		g.Go(func() error { return p.heralds[i].run(ctx) })
	}
	g.Go(func() error { return p.rotate(ctx) })
	return g.Wait()
}

// rotateEvery is how often the partitions of request_dedupe are looked after. Any number of workers may do it.
const rotateEvery = time.Hour

func (p *Persister) rotate(ctx context.Context) error {
	tick := time.NewTicker(rotateEvery)
	defer tick.Stop()
	for {
		if _, err := p.opts.Pool.Exec(ctx, "SELECT request_dedupe_rotate()"); err != nil && ctx.Err() == nil {
			p.log.Info("rotate the deduplication keys", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Lag returns how long the oldest writes that are not answered yet have waited. Of each lane it names the shard that has
// waited longest: its other shards wait for that one, whatever they wait for.
func (p *Persister) Lag() lag.Lag {
	now := time.Now()
	ages := make([]time.Duration, len(p.lanes))
	for i, l := range p.lanes {
		ages[i] = l.queue.age(now)
	}
	return lag.Sharded(ages)
}

// Quiesce makes the writes of a shard wait and returns when none is in flight, or ctx ends: they then wait still, for
// Granted or Lost. See lease.Holder.
func (p *Persister) Quiesce(ctx context.Context, shard int) error {
	done := make(chan struct{})
	p.lane(shard).orders.give(order{kind: quiesce, shard: shard, done: done})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("quiesce shard %d: %w", shard, ctx.Err())
	}
}

// Granted lets the writes of a shard go on under the epoch. Rooms loaded under another are loaded again. See
// lease.Holder.
func (p *Persister) Granted(shard int, _ int64) {
	p.lane(shard).orders.give(order{kind: granted, shard: shard})
	p.news.ring()
}

// Lost forgets the rooms of a shard and sends its waiting writes to the owner. See lease.Holder.
func (p *Persister) Lost(shard int) {
	p.lane(shard).orders.give(order{kind: lostLease, shard: shard})
	p.news.ring()
}

// Reset forgets all that was read from the database, which turned out to have another past: rooms, and what requests were
// answered with. It does not block. See lease.Manager.OnReset.
func (p *Persister) Reset(int64) {
	p.copies.clear()
	for _, l := range p.lanes {
		l.orders.give(order{kind: reset})
	}
}

func (p *Persister) lane(shard int) *lane { return p.lanes[shard%len(p.lanes)] }
