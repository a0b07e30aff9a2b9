package route

import (
	"context"
	"sync"
)

// pending holds the requests that other workers are answering, so that they can be taken away from a worker that is
// declared dead without its connections having broken: a host that lost its network sends no reset.
type pending struct {
	mu      sync.Mutex
	workers map[int64]map[*context.CancelCauseFunc]struct{}
}

// watch derives a context that is cancelled with errGone when the worker leaves the directory before unwatch.
func (f *Forwarder) watch(ctx context.Context, worker int64) (watched context.Context, unwatch, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	key := &cancel
	p := &f.pending
	p.mu.Lock()
	if p.workers == nil {
		p.workers = make(map[int64]map[*context.CancelCauseFunc]struct{})
	}
	if p.workers[worker] == nil {
		p.workers[worker] = make(map[*context.CancelCauseFunc]struct{})
	}
	p.workers[worker][key] = struct{}{}
	p.mu.Unlock()
	unwatch = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.workers[worker], key)
		if len(p.workers[worker]) == 0 {
			delete(p.workers, worker)
		}
	}
	return ctx, unwatch, func() {
		unwatch()
		cancel(nil)
	}
}

// Run takes pending requests away from workers that have gone, until ctx ends.
func (f *Forwarder) Run(ctx context.Context) error {
	for {
		changed := f.dir.Changed()
		f.pending.mu.Lock()
		for worker, requests := range f.pending.workers {
			if f.dir.Alive(worker) {
				continue
			}
			for cancel := range requests {
				(*cancel)(errGone)
			}
		}
		f.pending.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
