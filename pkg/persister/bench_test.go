package persister

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
)

var benchPostgres = flag.String("postgres", "", "`URI` of an empty, migrated database for the benchmarks; else the tests' own server, which is not durable")

// nowhere is a Publisher of which nobody hears.
type nowhere struct{}

func (nowhere) PublishBlock(context.Context, []bus.RoomBlock, []bus.UserBlock, bool) error {
	return nil
}

// Of BenchmarkSends: senders who wait for their answers, rooms that they write to, and bytes of a message's text.
const (
	benchSenders = 512
	benchRooms   = 64
	benchBody    = 200
)

// BenchmarkSends is what a persister does with a message after its request was read: all the way to its commit. Many senders
// wait for their answers, so that its lanes always have a next block.
func BenchmarkSends(b *testing.B) { benchmarkSends(b, false) }

// BenchmarkSendsUncommitted is the same but for Postgres: the statements of a block are made, and nobody gets them. It shows
// what a persister makes of more cores if nothing else uses them.
func BenchmarkSendsUncommitted(b *testing.B) { benchmarkSends(b, true) }

func benchmarkSends(b *testing.B, uncommitted bool) {
	run := benchCalls.Add(1)
	d := &database{uri: *benchPostgres}
	switch {
	case d.uri == "":
		d = newDatabase(b)
	case run == 1:
		d = databaseAt(b, d.uri)
	default:
		d.reopen(b)
	}
	p := d.build(b, d.join(b), func(o *Options) {
		o.Publisher, o.Logger = nowhere{}, slog.New(slog.NewTextHandler(io.Discard, nil))
	})
	var away atomic.Bool
	if uncommitted {
		p.withoutPostgres(&away)
	}
	p.run(b)
	rooms := p.rooms(b, benchRooms)
	content := fmt.Appendf(nil, `{"body":"%s","msgtype":"m.text"}`, strings.Repeat("x", benchBody))
	who := caller{user: alice, device: "DEV"}
	var next atomic.Int64
	away.Store(true)
	b.SetParallelism(max(1, benchSenders/runtime.GOMAXPROCS(0)))
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := next.Add(1)
			w := who.write(rooms[n%benchRooms], "PUT", "send/m.room.message", fmt.Sprintf("b%d-%d-%d", run, b.N, n), len(content),
				sendEvent(alice, "m.room.message", content))
			if _, err := p.write(b.Context(), w); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.StopTimer()
	require.NoError(b, p.stop())
	if !uncommitted {
		require.Equal(b, b.N, d.count(b, "SELECT count(*) FROM event WHERE txn_id LIKE $1", fmt.Sprintf("b%d-%d-%%", run, b.N)))
	}
}

// withoutPostgres makes the lanes call blocks committed that were sent nowhere, once away is set.
func (p *testPersister) withoutPostgres(away *atomic.Bool) {
	number := atomic.Int64{}
	number.Store(1 << 40)
	for _, l := range p.lanes {
		commit := l.pipe.commit
		nobody := &session{leases: p.leases, worker: p.leases.ID()}
		l.pipe.commit = func(ctx context.Context, b *block) error {
			if !away.Load() {
				return commit(ctx, b)
			}
			nobody.pipeline(b)
			b.generation, b.number = p.leases.Generation(), number.Add(1)
			return nil
		}
	}
}

// benchCalls counts the calls of BenchmarkSends.
var benchCalls atomic.Int64

// reopen opens the pool of a database that has its users.
func (d *database) reopen(t testing.TB) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), d.uri)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	d.pool = pool
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT database_id::text FROM cluster_state").Scan(&d.id))
}
