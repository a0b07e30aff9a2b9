package horizon

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

const patience = time.Minute

func connect(t *testing.T, uri string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), uri, "test")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func openPool(t *testing.T, uri string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), uri, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// start runs f until the returned function is called, at the latest when the test ends.
func start(t *testing.T, f func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(stop)
	return stop
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing arrived")
		panic("unreachable")
	}
}

// begin opens a block in a transaction of its own, without a shard to fence.
func beginBlock(ctx context.Context, conn *pgx.Conn, rooms ...string) (pgx.Tx, int64, error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, 0, err
	}
	var block int64
	err = tx.QueryRow(ctx, `SELECT block_begin(0, 'room', '{}', '{}', 1, $1, '{3}', '{}')`, append([]string{}, rooms...)).Scan(&block)
	return tx, block, err
}

func openBlock(t *testing.T, conn *pgx.Conn, rooms ...string) (pgx.Tx, int64) {
	t.Helper()
	tx, block, err := beginBlock(t.Context(), conn, rooms...)
	require.NoError(t, err)
	return tx, block
}

func commitBlock(t *testing.T, conn *pgx.Conn, rooms ...string) int64 {
	t.Helper()
	tx, block := openBlock(t, conn, rooms...)
	require.NoError(t, tx.Commit(t.Context()))
	return block
}

func newCloser(t *testing.T, uri string, worker int64) *closer {
	t.Helper()
	conn := connect(t, uri)
	tm, err := begin(t.Context(), conn, worker)
	require.NoError(t, err)
	c, err := open(t.Context(), conn, tm)
	require.NoError(t, err)
	return c
}

func (c *closer) must(t *testing.T) step {
	t.Helper()
	s, err := c.step(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.save(t.Context()))
	return s
}

func listed(blocks []bus.BlockIndex) []int64 {
	all := []int64{}
	for _, b := range blocks {
		all = append(all, b.Block)
	}
	return all
}

func end(block int64) int64 { return int64(position.BlockEnd(block)) }
