package route

import (
	"context"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
)

// movedGrace is how long a request is left with a worker that lives but has the shard no more. One that gave it away
// passes the request on by itself, at once.
const movedGrace = 500 * time.Millisecond

// pending holds the requests that other workers are answering, so that they can be taken away from a worker that is
// declared dead, or whose shard another got, without its connections having broken: a host that lost its network sends
// no reset, a process that is stopped says nothing.
type pending struct {
	mu      sync.Mutex
	workers map[int64]map[*watched]struct{}
}

// watched is an attempt under way.
type watched struct {
	f      *Forwarder
	worker int64
	room   id.RoomID // with epoch: because of which the worker was asked; empty for none
	epoch  int64
	cancel context.CancelCauseFunc
	moved  bool // the grace has begun; of the Run goroutine
}

// watch derives a context that is cancelled with errGone when the worker leaves the directory, or loses the room for
// longer than movedGrace, before unwatch.
func (f *Forwarder) watch(ctx context.Context, worker int64, room id.RoomID, epoch int64) (context.Context, *watched) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watched{f: f, worker: worker, room: room, epoch: epoch, cancel: cancel}
	f.pending.add(w)
	// Run may have looked since the worker was chosen. One that was hinted at can be newer than the table.
	if !f.dir.Alive(worker) && (room == "" || f.dir.Room(room).Epoch >= epoch) {
		cancel(errGone)
	}
	return ctx, w
}

func (p *pending) add(w *watched) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.workers == nil {
		p.workers = make(map[int64]map[*watched]struct{})
	}
	if p.workers[w.worker] == nil {
		p.workers[w.worker] = make(map[*watched]struct{})
	}
	p.workers[w.worker][w] = struct{}{}
}

func (w *watched) unwatch() {
	p := &w.f.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.workers[w.worker], w)
	if len(p.workers[w.worker]) == 0 {
		delete(p.workers, w.worker)
	}
}

func (w *watched) release() {
	w.unwatch()
	w.cancel(nil)
}

// Run takes pending requests away from workers that have gone, until ctx ends.
func (f *Forwarder) Run(ctx context.Context) error {
	for {
		changed := f.dir.Changed()
		f.pending.mu.Lock()
		for worker, attempts := range f.pending.workers {
			alive := f.dir.Alive(worker)
			for w := range attempts {
				switch {
				case !alive:
					w.cancel(errGone)
				case !w.moved && w.hasMoved():
					w.moved = true
					time.AfterFunc(movedGrace, func() { w.cancel(errGone) })
				}
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

// hasMoved reports whether another worker owns the room now.
func (w *watched) hasMoved() bool {
	if w.room == "" {
		return false
	}
	now := w.f.dir.Room(w.room)
	return now.Epoch > w.epoch && now.Owner.ID != 0 && now.Owner.ID != w.worker
}
