package app

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// drainLimit bounds the handover of everything that a worker owns.
	drainLimit = 20 * time.Second
	// noticeDelay is how long a worker without the gateway role goes on serving after it has left the table: the others
	// hear of it with their next heartbeat.
	noticeDelay = 1500 * time.Millisecond
)

// leave runs before anything is stopped: the worker takes nothing new, hands over what it owns, and serves on until
// load balancers and other workers have noticed.
func (w *worker) leave(ctx context.Context) {
	w.ready.set("stopping")
	delay := noticeDelay
	if w.gateway != nil {
		w.gateway.Drain()
		delay = max(delay, w.cfg.StopDelay)
	}
	var wg sync.WaitGroup
	wg.Go(func() { w.handOver(ctx) })
	wg.Go(func() { time.Sleep(delay) })
	wg.Wait()
	if w.sync != nil {
		w.sync.Drain()
	}
}

func (w *worker) handOver(ctx context.Context) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	if err := w.lease.Drain(ctx); err != nil {
		w.log.ErrorContext(ctx, "could not hand over everything; others take over", "error", err)
		return
	}
	w.log.InfoContext(ctx, "handed over everything", "took", time.Since(start))
}

// stayDrained is how long a worker that was drained waits for its pod to be deleted.
const stayDrained = 5 * time.Minute

// errLetGo is why a worker ends that was drained, and that nobody stopped.
var errLetGo = errors.New("drained, and still here after " + stayDrained.String())

// drainOnDemand hands over what this worker owns when asked through the admin API. It stays, owning nothing and not
// ready, until its pod is deleted. A worker that has left the table never comes back, so one that nobody deletes ends, and a
// new one takes its place in the pod.
func (w *worker) drainOnDemand(ctx context.Context, asked <-chan struct{}) error {
	select {
	case <-ctx.Done():
	case <-asked:
		w.ready.set("drained: delete this pod")
		w.handOver(ctx)
		return waitDrained(ctx)
	}
	return nil
}

func waitDrained(ctx context.Context) error {
	wait := time.NewTimer(stayDrained)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-wait.C:
		return errLetGo
	}
}
