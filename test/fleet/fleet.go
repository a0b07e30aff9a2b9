package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Fleet is many Homeservers on an API server without nodes, with one operator at a time.
type Fleet struct {
	API     *APIServer
	workers *Workers
	nodes   *Nodes
	dir     string
	command []string // of the operator
	started int
}

// NewFleet starts all but the operator. root is the checkout, dir a folder for logs.
func NewFleet(ctx context.Context, root, dir string, command []string) (f *Fleet, err error) {
	f = &Fleet{dir: dir, command: command}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Stop())
		}
	}()
	if f.API, err = StartAPIServer(ctx, root, dir); err != nil {
		return f, err
	}
	if f.workers, err = StartWorkers(ctx); err != nil {
		return f, err
	}
	f.nodes, err = StartNodes(ctx, f.API)
	return f, err
}

// Stop ends what NewFleet started.
func (f *Fleet) Stop() error {
	var failed []error
	if f.nodes != nil {
		failed = append(failed, f.nodes.Stop())
	}
	if f.workers != nil {
		failed = append(failed, f.workers.Stop())
	}
	if f.API != nil {
		failed = append(failed, f.API.Stop())
	}
	return errors.Join(failed...)
}

// Operate starts an operator that remembers nothing.
func (f *Fleet) Operate(ctx context.Context, flags ...string) (*Operator, error) {
	f.started++
	log := filepath.Join(f.dir, fmt.Sprintf("operator-%d.log", f.started))
	return StartOperator(ctx, f.API, f.workers.URL, log, f.command, flags...)
}

// objects counts what each controller has to look at.
func (f *Fleet) objects(ctx context.Context) (homeservers, pools int, err error) {
	var hs v1alpha1.HomeserverList
	var wp v1alpha1.WorkerPoolList
	err = errors.Join(f.API.Client.List(ctx, &hs), f.API.Client.List(ctx, &wp))
	return len(hs.Items), len(wp.Items), err
}

// tick is how often it is looked whether the operator is done; it is when nothing has happened for as long as calm, in which
// it asks all workers twice.
const (
	tick = 250 * time.Millisecond
	calm = 11 * time.Second
)

// Settled waits until the operator has looked at every object, has nothing to do, and has written nothing for a while; of
// one that renews its Lease, writes are not looked at. It returns the metrics as they are then. ctx ends the wait.
func (f *Fleet) Settled(ctx context.Context, o *Operator) (Metrics, error) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var writes float64
	last, since := "it has not started", time.Now()
	for {
		m, err := o.Metrics(ctx)
		homeservers, pools, listed := f.objects(ctx)
		switch {
		case ctx.Err() != nil:
		case listed != nil:
			return nil, listed
		case err != nil:
			last, since = err.Error(), time.Now()
		case m.Passes("homeserver") < float64(homeservers) || m.Passes("persistershard") < float64(homeservers) || m.Passes("workerpool") < float64(pools):
			last, since = "it has not looked at everything yet", time.Now()
		case m["workqueue_depth"] > 0 || m.Writes() != writes && !o.elected:
			last, since = fmt.Sprintf("it is at work: %.0f objects wait, %.0f writes", m["workqueue_depth"], m.Writes()), time.Now()
			writes = m.Writes()
		case time.Since(since) >= calm:
			return m, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the operator did not come to rest: %s: %w", last, ctx.Err())
		case err := <-o.ended:
			o.ended <- err
			return nil, fmt.Errorf("the operator ended, see %s: %w", o.log, err)
		case <-ticker.C:
		}
	}
}
