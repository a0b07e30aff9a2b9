package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/cmd/loadgen/traffic"
	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/processes"
)

// Roles of a fleet's workers.
const (
	persister = "persister"
	gateway   = "gateway,client"
	syncer    = "sync"
)

// A fleet is the worker processes of one homeserver, which may be stopped and started again at the same addresses.
type fleet struct {
	home    *processes.Homeserver
	workers []*processes.Worker
	log     *os.File
	load    *traffic.Load // nil before prepare
	// acknowledged are the messages that its clients were told are there.
	acknowledged int
}

// fleet prepares one of a gateway and workers of further roles, on a database.
func (r *rig) fleet(uri string, roles ...string) (*fleet, error) {
	dir, err := os.MkdirTemp(r.dir, "fleet-")
	if err != nil {
		return nil, err
	}
	f := &fleet{}
	if f.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	if f.home, err = processes.New(r.binary, dir, serverName); err != nil {
		return nil, err
	}
	f.home.PostgresURI, f.home.RedisURI, f.home.Log = uri, r.redis.URI(), func(string) io.Writer { return f.log }
	for _, role := range append([]string{gateway}, roles...) {
		w, err := f.home.Prepare(role)
		if err != nil {
			return nil, err
		}
		f.workers = append(f.workers, w)
	}
	return f, nil
}

// with returns the workers of a role.
func (f *fleet) with(roles string) []*processes.Worker {
	return slices.DeleteFunc(slices.Clone(f.workers), func(w *processes.Worker) bool { return w.Roles != roles })
}

func (f *fleet) base() string { return "http://" + f.workers[0].Public }

// start starts all workers, and waits until they are ready and the shards are spread.
func (f *fleet) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var group errgroup.Group
	for _, w := range f.workers {
		group.Go(func() error {
			if err := f.home.Run(w); err != nil {
				return err
			}
			return w.AwaitReady(ctx)
		})
	}
	if err := group.Wait(); err != nil {
		f.kill()
		return fmt.Errorf("%w; its log says:\n%s", err, f.lastWords())
	}
	for {
		s, err := f.workers[0].Admin().Status(ctx)
		if err == nil && processes.Spread(s, f.with(persister)...) {
			return nil
		}
		if werr := command.Wait(ctx, 50*time.Millisecond); werr != nil {
			f.kill()
			return errors.Join(errors.New("the shards are not spread"), err)
		}
	}
}

// lastWords is the end of the workers' log.
func (f *fleet) lastWords() string {
	text, err := os.ReadFile(f.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// stop tells all workers to stop, gateway first, and waits until they have.
func (f *fleet) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for _, w := range f.workers {
		all.Go(func() {
			if w.Terminate(ctx) != nil {
				w.Kill()
			}
		})
	}
	all.Wait()
}

func (f *fleet) kill() {
	for _, w := range f.workers {
		w.Kill()
	}
}

// close ends the workers at once.
func (f *fleet) close() { f.kill(); _ = f.log.Close() }

// engine is how the load generator is set up for all that is compared. Its deadline only ends a hang: what counts is p99.
func engine(size traffic.Size, profile string, account func(context.Context, int, string) (*matrix.Client, error)) traffic.Config {
	p, _ := traffic.FindProfile(profile)
	return traffic.Config{Profile: p, Size: size, Account: account, Run: "bench", Body: 200, InFlight: 512, Backlog: 1000, Deadline: time.Minute}
}

// prepare makes users and rooms on a fleet that runs.
func (f *fleet) prepare(ctx context.Context, size traffic.Size, profile string) (err error) {
	transport := matrix.Transport(600)
	f.load, err = traffic.New(ctx, engine(size, profile, func(ctx context.Context, _ int, name string) (*matrix.Client, error) {
		return matrix.Register(ctx, f.base(), processes.SharedSecret, name, transport, nil)
	}))
	return err
}
