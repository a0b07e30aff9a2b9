package lease

import (
	"context"
	"time"
)

// Warmer may be implemented by a [Holder] that can shorten its successor's start.
type Warmer interface {
	// Warm is called before the Quiesce of a handoff to another worker. The shard is still served; nothing depends on what
	// Warm does. It must return soon after ctx ends, which is after 300 ms.
	Warm(ctx context.Context, shard int, to int64)
}

// warmTime bounds Warm: a worker that leaves is waited for.
const warmTime = 300 * time.Millisecond

func (m *Manager) warm(ctx context.Context, shard int, to int64) {
	w, ok := m.holder.(Warmer)
	if !ok || to == 0 {
		return
	}
	wctx, cancel := m.clock.Bound(ctx, warmTime)
	defer cancel()
	w.Warm(wctx, shard, to)
}
