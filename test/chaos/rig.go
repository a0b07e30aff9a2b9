package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/schema"
	"github.com/myelin-hs/myelin/test/processes"
)

// serverName is the Matrix server name of every scenario's homeserver.
const serverName = "chaos.example"

// A rig is what the scenarios of one run share: a Postgres, the worker's binary, and the figures.
type rig struct {
	settings
	dir       string // temporary, removed by close
	binary    string
	postgres  *pgtest.Server
	databases atomic.Int64
	tally     tally
	others    sync.WaitGroup // scenarios that are not aside

	mu    sync.Mutex // held while a line is written
	start time.Time

	building sync.Mutex
	stepped  string // the worker whose clock can be stepped; "": not built yet
}

// settings of a run.
type settings struct {
	seed      uint64
	artifacts string        // where failures are kept
	race      bool          // the workers have the race detector
	keep      bool          // what passed is kept, too
	deadline  time.Duration // by which a request has failed; 0: as a user would call it
	out       io.Writer
}

func newRig(ctx context.Context, s settings) (*rig, error) {
	r := &rig{settings: s, start: time.Now()}
	if err := r.open(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rig) open(ctx context.Context) (err error) {
	if r.dir, err = os.MkdirTemp("", "myelin-chaos-"); err != nil {
		return err
	}
	// Postgres runs as another user when this is root, and has to get to its own directory.
	if err := os.Chmod(r.dir, 0o711); err != nil {
		return err
	}
	if r.binary, err = processes.Build(r.dir, r.buildFlags()...); err != nil {
		return err
	}
	// Durable, as an operator would run it: figures include what a commit costs.
	r.postgres, err = pgtest.Start(ctx, filepath.Join(r.dir, "postgres"), "max_connections=600", "shared_buffers=128MB", "log_min_messages=fatal")
	if err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	return nil
}

func (r *rig) buildFlags() []string {
	if r.race {
		return []string{"-race"}
	}
	return nil
}

func (r *rig) close() error {
	if r.postgres != nil {
		_ = r.postgres.Stop()
	}
	return os.RemoveAll(r.dir)
}

// emptyDatabase makes a database of its own on the shared server.
func (r *rig) emptyDatabase(ctx context.Context) (string, error) {
	name := fmt.Sprintf("chaos%d", r.databases.Add(1))
	conn, err := pgx.Connect(ctx, r.postgres.URI("postgres"))
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", fmt.Errorf("make a database: %w", err)
	}
	return r.postgres.URI(name), nil
}

// migrate gives the database this build's schema; a new one gets so many shards, 0: as many as usual.
func migrate(ctx context.Context, uri string, shards int) error {
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = schema.Migrate(ctx, conn, schema.Options{ServerName: serverName, Shards: shards})
	return err
}

// watchLeases lets the database log its leases.
func watchLeases(ctx context.Context, uri string) error {
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, leaseLog); err != nil {
		return fmt.Errorf("watch the leases: %w", err)
	}
	return nil
}

// say prints a line with the time since the start and the scenario's name.
func (r *rig) say(scenario, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintf(r.out, "[%6.1fs] %-24s %s\n", time.Since(r.start).Seconds(), scenario, line)
	}
}
