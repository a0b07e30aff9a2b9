package persister

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/pkg/route"
)

// mineLimit bounds the wait for a lease that is this worker's, but is not claimed yet.
const mineLimit = time.Second

// mine returns nil if this worker serves the shard. Before it says no it reads the leases, for the shard may just have been
// given to it; unless it knows of a later move than who asks, who is then behind. A shard that has been given to it but
// is not granted yet is waited for: there is nowhere to send the request meanwhile.
func (p *Persister) mine(ctx context.Context, shard int) error {
	if _, ok := p.opts.Leases.OwnLease(shard); ok {
		return nil
	}
	if known := p.opts.Leases.OwnerOf(shard); known.Worker != p.opts.Leases.ID() && known.Epoch > epochFrom(ctx) && epochFrom(ctx) > 0 {
		return p.elsewhere(shard)
	}
	bounded, cancel := context.WithTimeout(ctx, mineLimit)
	defer cancel()
	if err := p.opts.Leases.Refresh(bounded); err != nil {
		p.log.Info("refresh leases", "error", err)
	}
	for {
		changed := p.news.next()
		if _, ok := p.opts.Leases.OwnLease(shard); ok {
			return nil
		}
		if o := p.opts.Leases.OwnerOf(shard); o.Worker != p.opts.Leases.ID() || o.Claimed {
			return p.elsewhere(shard) // claimed: this worker has lost its lease, and waits for nothing
		}
		select {
		case <-changed:
		case <-bounded.Done():
			return p.elsewhere(shard)
		}
	}
}

// A bell wakes all who wait for it. Its zero value is ready to use.
type bell struct {
	mu   sync.Mutex
	rung chan struct{}
}

// next is closed when the bell rings next.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}

type epochKey struct{}

// withEpoch is the request's context with the epoch for which it was sent here.
func withEpoch(r *http.Request) context.Context {
	epoch, err := strconv.ParseInt(r.Header.Get(route.HeaderEpoch), 10, 64)
	if err != nil {
		return r.Context()
	}
	return context.WithValue(r.Context(), epochKey{}, epoch)
}

// epochFrom returns 0 if it is not known.
func epochFrom(ctx context.Context) int64 {
	epoch, _ := ctx.Value(epochKey{}).(int64)
	return epoch
}
