package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/bus/redistest"
	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/processes"
)

// A Run is one scenario under way, with a homeserver of its own.
type Run struct {
	Rand *rand.Rand // seeded by the run's seed and the scenario's name

	Home                        *processes.Homeserver
	Persisters, Gateways, Syncs []*processes.Worker // in the order of their start; scenarios that end one take it out
	Redis                       *redistest.Server   // nil when the fleet brought its own
	Service                     *Service            // what clients connect to: the gateways that are in it
	Load                        *load.Load          // nil before Traffic

	name    string
	rig     *rig
	dir     string
	prepare func(w *processes.Worker) error
	traffic *traffic
	watch   *watch
	mu      sync.Mutex
	all     []*processes.Worker
	marks   []mark
	closing []func()
}

// A Fleet is a homeserver's workers, each with a role; gateways have the role client, too.
type Fleet struct {
	Persisters, Gateways, Syncs int
	Shards                      int // default 64
	// PostgresURI is a database that Migrate has made; "": a fresh one on the shared server.
	PostgresURI string
	// RedisURI is for all workers; "": a Redis of the scenario's own.
	RedisURI string
	// Prepare may put a proxy between a worker and its Postgres, Redis or peers, before it starts.
	Prepare func(w *processes.Worker) error
}

func (g *rig) newRun(name string) (*Run, error) {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name)
	r := &Run{name: name, rig: g, dir: filepath.Join(g.dir, name), Rand: rand.New(rand.NewPCG(g.seed, h.Sum64())), Service: newService()}
	return r, os.MkdirAll(filepath.Join(r.dir, "logs"), 0o711)
}

// Dir is a directory of the scenario's own that is removed at the end. Others than root can pass through it.
func (r *Run) Dir() string { return r.dir }

// Binary is this build's worker.
func (r *Run) Binary() string { return r.rig.binary }

// OnClose calls f when the scenario is over, last added first: after the judgement, and after the workers have ended.
func (r *Run) OnClose(f func()) { r.mu.Lock(); r.closing = append(r.closing, f); r.mu.Unlock() }

// Migrate gives the database at uri this build's schema; a new one gets so many shards, 0: 64. Its leases are watched
// from then on.
func (r *Run) Migrate(ctx context.Context, uri string, shards int) error {
	if err := migrate(ctx, uri, shards); err != nil {
		return err
	}
	return watchLeases(ctx, uri)
}

// Start starts a fleet and waits until it is ready and its shards are spread.
func (r *Run) Start(ctx context.Context, f Fleet) error {
	var err error
	if f.PostgresURI == "" {
		if f.PostgresURI, err = r.rig.emptyDatabase(ctx); err != nil {
			return err
		}
		if err := r.Migrate(ctx, f.PostgresURI, f.Shards); err != nil {
			return err
		}
	}
	if f.RedisURI == "" {
		if r.Redis, err = redistest.Launch(ctx, r.dir); err != nil {
			return err
		}
		r.OnClose(r.Redis.Stop)
		f.RedisURI = r.Redis.URI()
	}
	if r.Home, err = processes.New(r.rig.binary, r.dir, serverName); err != nil {
		return err
	}
	r.Home.PostgresURI, r.Home.RedisURI, r.Home.Log, r.prepare = f.PostgresURI, f.RedisURI, r.log, f.Prepare
	var group errgroup.Group
	for _, roles := range slices.Concat(slices.Repeat([]string{persister}, f.Persisters), slices.Repeat([]string{gateway}, f.Gateways), slices.Repeat([]string{syncer}, f.Syncs)) {
		group.Go(func() error { _, err := r.Add(ctx, roles); return err })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return r.Settle(ctx)
}

// Roles of a fleet's workers.
const (
	persister = "persister"
	gateway   = "gateway,client"
	syncer    = "sync"
)

// Add starts one more worker and waits until it is ready.
func (r *Run) Add(ctx context.Context, roles string) (*processes.Worker, error) {
	r.mu.Lock()
	w, err := r.Home.Prepare(roles)
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return w, r.AddPrepared(ctx, w)
}

// AddPrepared starts a worker that Home.Prepare made, and waits until it is ready.
func (r *Run) AddPrepared(ctx context.Context, w *processes.Worker) error {
	if r.prepare != nil {
		if err := r.prepare(w); err != nil {
			return err
		}
	}
	if err := r.Again(ctx, w); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, w)
	switch w.Roles {
	case persister:
		r.Persisters = append(r.Persisters, w)
	case gateway:
		r.Gateways = append(r.Gateways, w)
		r.Service.Add(w.Public)
	case syncer:
		r.Syncs = append(r.Syncs, w)
	}
	return nil
}

// Again starts a process for a worker whose last one has ended, as a kubelet does, and waits until it is ready.
func (r *Run) Again(ctx context.Context, w *processes.Worker) error {
	if err := r.Home.Run(w); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := w.AwaitReady(ctx)
	if err != nil {
		w.Kill()
	}
	return err
}

// Terminate tells a worker to stop, as Kubernetes does: out of the Service first. It waits until the worker has ended.
func (r *Run) Terminate(ctx context.Context, w *processes.Worker) error {
	r.Remove(w)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return w.Terminate(ctx)
}

// Remove takes a worker out of the fleet's lists and the Service; its process is not touched.
func (r *Run) Remove(w *processes.Worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Service.Remove(w.Public)
	for _, list := range []*[]*processes.Worker{&r.Persisters, &r.Gateways, &r.Syncs} {
		*list = slices.DeleteFunc(*list, func(x *processes.Worker) bool { return x == w })
	}
}

// Settle waits until the shards are spread evenly over the persisters.
func (r *Run) Settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		s, err := r.Status(ctx)
		if err == nil && processes.Spread(s, r.Persisters...) {
			return nil
		}
		if werr := command.Wait(ctx, 50*time.Millisecond); werr != nil {
			return errors.Join(errors.New("the shards are not spread"), err)
		}
	}
}

// Status asks a gateway for the state of the data plane.
func (r *Run) Status(ctx context.Context) (admin.Status, error) {
	if len(r.Gateways) == 0 {
		return admin.Status{}, errors.New("no gateway")
	}
	return r.Gateways[0].Admin().Status(ctx)
}

// Alone waits until all scenarios that are not aside are over.
func (r *Run) Alone(ctx context.Context) error {
	over := make(chan struct{})
	go func() { r.rig.others.Wait(); close(over) }()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Say prints a line of progress.
func (r *Run) Say(format string, args ...any) { r.rig.say(r.name, format, args...) }

// Figure reports one of the table's figures; several values of one are folded as the table says.
func (r *Run) Figure(name string, value float64) { r.rig.tally.add(name, value) }

// log is a file for a worker's output, kept if the scenario fails.
func (r *Run) log(worker string) io.Writer {
	f, err := os.OpenFile(filepath.Join(r.dir, "logs", worker+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.Say("%v", err)
		return io.Discard
	}
	r.OnClose(func() { _ = f.Close() })
	return f
}

// close ends all processes and what else the scenario began.
func (r *Run) close() {
	for _, w := range r.all {
		_ = w.Signal(syscall.SIGCONT) // a stopped process is killed all the same, but its sockets answer until then
		w.Kill()
	}
	slices.Reverse(r.closing)
	for _, f := range r.closing {
		f()
	}
}

// ms is a duration as figures give it.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (r *Run) String() string { return fmt.Sprintf("%s (seed %d)", r.name, r.rig.seed) }
