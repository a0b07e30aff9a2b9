package horizon

import (
	"context"
	"sync"

	"github.com/myelin-hs/myelin/pkg/bus"
)

// An outbox publishes announcements, so that no round waits for a slow Redis. What cannot be sent yet is joined into one
// announcement; when that gets too long its older part is dropped, which followers notice and read from Postgres.
type outbox struct {
	publish func(context.Context, bus.Horizon) error

	mu      sync.Mutex
	pending *bus.Horizon
	wake    chan struct{}
}

func newOutbox(publish func(context.Context, bus.Horizon) error) *outbox {
	return &outbox{publish: publish, wake: make(chan struct{}, 1)}
}

func (o *outbox) put(h bus.Horizon) {
	o.mu.Lock()
	if p := o.pending; p != nil && p.Generation == h.Generation && p.P == h.Prev && len(p.Blocks)+len(h.Blocks) <= maxBlocks {
		p.P, p.Blocks = h.P, append(p.Blocks, h.Blocks...)
	} else {
		o.pending = &h
	}
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) take() (h bus.Horizon, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pending == nil {
		return h, false
	}
	h, o.pending = *o.pending, nil
	return h, true
}

func (o *outbox) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
		}
		if h, ok := o.take(); ok && o.publish(ctx, h) != nil && ctx.Err() == nil {
			metricPublishErrors.Inc() // followers poll the row
		}
	}
}
