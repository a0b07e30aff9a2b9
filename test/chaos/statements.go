package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/test/command"
)

// leaseStatements joins workers, in this process, to a database of their own and returns how many statements a second
// each sends for its membership once all is calm, counted over d.
func leaseStatements(ctx context.Context, workers int, d time.Duration) (float64, error) {
	dir, err := os.MkdirTemp("", "myelin-statements-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	server, err := pgtest.Start(ctx, dir, "fsync=off", fmt.Sprintf("max_connections=%d", workers+50), "shared_buffers=64MB")
	if err != nil {
		return 0, err
	}
	defer func() { _ = server.Stop() }()
	if err := migrate(ctx, server.URI("postgres"), 64); err != nil {
		return 0, err
	}
	cfg, err := pgxpool.ParseConfig(server.URI("postgres"))
	if err != nil {
		return 0, err
	}
	var c counter
	cfg.MaxConns, cfg.ConnConfig.Tracer = int32(workers+20), &c
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer pool.Close()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel(nil) // before Wait
	joined := make([]*lease.Manager, workers)
	joining, together := errgroup.WithContext(ctx)
	joining.SetLimit(16)
	for i := range workers {
		joining.Go(func() error {
			m, err := lease.Join(together, pool, lease.Self{
				Pod: fmt.Sprintf("w%d", i), Addr: net.JoinHostPort("w", fmt.Sprint(i)), Pool: "p", Roles: []string{statementsRole(i)}, Protocol: 2,
			}, lease.Options{Holder: idle{}, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				return fmt.Errorf("worker %d: %w", i, err)
			}
			joined[i] = m
			running.Go(func() {
				if err := m.Run(ctx); err != nil {
					cancel(fmt.Errorf("worker %d: %w", i, err))
				}
			})
			return nil
		})
	}
	if err := joining.Wait(); err != nil {
		return 0, err
	}
	last := joined[workers-1]
	for !calm(last.Table(), workers) {
		if err := command.Wait(ctx, 100*time.Millisecond); err != nil {
			return 0, errors.Join(context.Cause(ctx), err)
		}
	}
	if err := command.Wait(ctx, 2*time.Second); err != nil {
		return 0, errors.Join(context.Cause(ctx), err)
	}
	from, began := c.n.Load(), time.Now()
	if err := command.Wait(ctx, d); err != nil {
		return 0, errors.Join(context.Cause(ctx), err)
	}
	sent, took := c.n.Load()-from, time.Since(began)
	if got := len(last.Table().Workers()); got != workers {
		return 0, fmt.Errorf("%d of %d workers are left", got, workers)
	}
	return float64(sent) / took.Seconds() / float64(workers), nil
}

// statementsRole spreads roles as a large homeserver has them.
func statementsRole(i int) string {
	if i%5 == 0 {
		return lease.RolePersister
	}
	return "gateway"
}

// calm says that everybody is there and every shard has its owner.
func calm(t *lease.Table, workers int) bool {
	for _, l := range t.Leases() {
		if !l.Claimed || l.Target != 0 {
			return false
		}
	}
	return len(t.Workers()) == workers
}

// idle serves shards that nobody writes to.
type idle struct{}

func (idle) Quiesce(context.Context, int) error { return nil }
func (idle) Granted(int, int64)                 {}
func (idle) Lost(int)                           {}

// counter counts statements.
type counter struct{ n atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *counter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (c *counter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) { c.n.Add(1) }

func (c *counter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
