package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/bus/redistest"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/schema"
	"github.com/myelin-hs/myelin/test/processes"
)

const serverName = "bench.example"

// A rig is the machinery of a run: one durable Postgres, one Redis, the worker.
type rig struct {
	short     bool
	rate      float64 // of profile, in events a second
	out       io.Writer
	dir       string
	binary    string
	postgres  *pgtest.Server
	redis     *redistest.Server
	databases int
	began     time.Time
}

func newRig(ctx context.Context, short bool, out io.Writer) (*rig, error) {
	r := &rig{short: short, out: out, began: time.Now()}
	if err := r.open(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rig) open(ctx context.Context) (err error) {
	if r.dir, err = os.MkdirTemp("", "myelin-bench-"); err != nil {
		return err
	}
	// Postgres runs as another user when this is root, and has to get to its own directory.
	if err := os.Chmod(r.dir, 0o711); err != nil {
		return err
	}
	r.say("building the worker")
	if r.binary, err = processes.Build(r.dir); err != nil {
		return err
	}
	// Durable, as an operator would run it. It does not write all of its buffers, nor vacuum, while
	// something is measured.
	r.postgres, err = pgtest.Start(ctx, filepath.Join(r.dir, "postgres"), "synchronous_commit=on", "max_connections=300",
		"shared_buffers=1GB", "max_wal_size=4GB", "checkpoint_timeout=30min", "autovacuum_naptime=30min", "log_min_messages=fatal")
	if err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	r.redis, err = redistest.Launch(ctx, r.dir)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, r.postgres.URI("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "CREATE DATABASE template_bench")
	if err != nil {
		return err
	}
	return migrate(ctx, r.postgres.URI("template_bench"), 0)
}

func (r *rig) close() (err error) {
	if r.redis != nil {
		r.redis.Stop()
	}
	if r.postgres != nil {
		err = r.postgres.Stop()
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// migrate gives a database this build's schema, with so many shards, 0: as many as usual.
func migrate(ctx context.Context, uri string, shards int) error {
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = schema.Migrate(ctx, conn, schema.Options{ServerName: serverName, Shards: shards})
	return err
}

// database makes a database with the schema, and so many shards; drop removes it.
func (r *rig) database(ctx context.Context, shards int) (uri string, drop func(), err error) {
	r.databases++
	name := fmt.Sprintf("bench%d", r.databases)
	template := "template_bench"
	if shards != 0 {
		template = "template0"
	}
	if err := r.admin(ctx, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, template)); err != nil {
		return "", nil, err
	}
	drop = func() { _ = r.admin(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") }
	uri = r.postgres.URI(name)
	if shards != 0 {
		err = migrate(ctx, uri, shards)
	} else {
		err = r.renew(ctx, uri)
	}
	return uri, drop, err
}

// renew makes a copy of the template another database than that: workers tell databases by their ids.
func (r *rig) renew(ctx context.Context, uri string) error {
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "UPDATE cluster_state SET database_id = gen_random_uuid()")
	return err
}

func (r *rig) admin(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, r.postgres.URI("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}

// say prints a line of progress.
func (r *rig) say(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		fmt.Fprintf(r.out, "[%5.0fs] %s\n", time.Since(r.began).Seconds(), line)
	}
}

// pick is usual, or less in a short run.
func pick[T any](r *rig, usual, short T) T {
	if r.short {
		return short
	}
	return usual
}
