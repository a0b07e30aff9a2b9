package lease

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/myelin-hs/myelin/pkg/shard"
)

// transfer is a quiesced shard that waits for its row to be written.
type transfer struct {
	handover
	epoch int64 // at the new owner
	moved bool
	err   error         // the outcome is unknown
	done  chan struct{} // closed when the above are set
}

// give starts the handoff of every shard that is to go: to its target, or, when this worker leaves, to whoever gets it
// when all shards are spread over those who stay.
func (m *Manager) give(ctx context.Context) {
	t := m.Table()
	leaving := m.leaving.Load()
	var spread map[int]int64
	if leaving {
		spread = m.inheritors(t)
	}
	for _, l := range t.Leases() {
		if l.Owner != m.id || (l.Target == 0 && !leaving) || !m.mayGive(l.Shard) {
			continue
		}
		to := l.Target
		if w, ok := t.Worker(to); !ok || w.State != Live || !w.HasRole(RolePersister) || to == m.id {
			to = 0
		}
		if leaving && to == 0 {
			to = spread[l.Shard]
		}
		if to == 0 && !leaving {
			m.unaim(ctx, l.Shard, l.Target)
			continue
		}
		m.occupy(l.Shard)
		m.group.Go(func() {
			m.handoff(ctx, l, to)
			m.vacate(l.Shard)
			m.wake()
		})
	}
}

// inheritors says who gets which of this worker's shards when it leaves.
func (m *Manager) inheritors(t *Table) map[int]int64 {
	var shards []shard.Shard
	stay := t.persisters(m.id)
	for _, l := range t.Leases() {
		if l.Owner != m.id && t.workers[l.Owner].Cordoned && !slices.Contains(stay, l.Owner) {
			continue // it keeps them
		}
		shards = append(shards, shard.Shard{ID: l.Shard, Owner: l.Owner})
	}
	to := map[int]int64{}
	for _, move := range shard.Spread(shards, stay) {
		to[move.Shard] = move.To
	}
	return to
}

func (m *Manager) mayGive(shard int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.busy[shard] == 0 && m.clock.Now().After(m.retry[shard])
}

func (m *Manager) unaim(ctx context.Context, shard int, target int64) {
	tctx, cancel := m.clock.Bound(ctx, m.timing.statement)
	defer cancel()
	if err := m.rows.unaim(tctx, shard, target); err != nil {
		m.logUnlessDone(ctx, "could not clear a target", err)
		return
	}
	m.Nudged()
}

// handoff moves one shard. Its states, each left in one way only:
//
//	serving   → Quiesce                                   → quiesced; an error: serving again (Granted)
//	quiesced  → transfer written                          → Lost, nudge the new owner
//	          → not written, row still ours               → serving again (Granted, same epoch)
//	          → not written, row not ours                 → Lost
//	          → unknown: raise the epoch until it is known → serving again (Granted, next epoch), or Lost
//
// A shard that was given to this worker and not claimed yet is passed on without the holder.
func (m *Manager) handoff(ctx context.Context, l Lease, to int64) {
	began := m.clock.Now()
	epoch := l.Epoch
	_, held := (*m.held.Load())[l.Shard]
	if held {
		m.warm(ctx, l.Shard, to)
		qctx, cancel := m.clock.Bound(ctx, m.timing.quiesce)
		err := m.holder.Quiesce(qctx, l.Shard)
		cancel()
		if err != nil {
			m.logUnlessDone(ctx, "could not quiesce a shard", fmt.Errorf("shard %d: %w", l.Shard, err))
			m.fail(l.Shard, "quiesce")
			m.resume(l.Shard)
			return
		}
		// An unknown outcome before the quiescence may have raised it.
		if epoch, held = (*m.held.Load())[l.Shard]; !held {
			return
		}
	}

	t := &transfer{handover: handover{shard: l.Shard, epoch: epoch, to: to}, done: make(chan struct{})}
	m.mu.Lock()
	m.waiting = append(m.waiting, t)
	m.mu.Unlock()
	signal(m.quiesced)
	select {
	case <-t.done:
	case <-ctx.Done():
		return
	}

	switch {
	case t.moved:
		m.lose(l.Shard)
		if to != 0 {
			m.nudge(to)
		}
		m.metrics.handoffs.WithLabelValues("moved").Inc()
		m.metrics.handoffSeconds.Observe(m.since(began).Seconds())
	case t.err != nil:
		m.logUnlessDone(ctx, "the outcome of a transfer is unknown", fmt.Errorf("shard %d: %w", l.Shard, t.err))
		m.fail(l.Shard, "unknown")
		if held {
			m.afterUnknown(ctx, l.Shard, epoch)
		} else {
			m.Nudged()
		}
	default:
		m.afterRefused(ctx, l, epoch, to, held)
	}
}

// afterUnknown finds out what a transfer did that may still be on its way.
func (m *Manager) afterUnknown(ctx context.Context, shard int, epoch int64) {
	raised, err := m.raise(ctx, map[int]int64{shard: epoch})
	if err != nil {
		return // ctx has ended: nothing may be served any more
	}
	if _, ours := raised[shard]; ours {
		m.resume(shard)
		return
	}
	m.lose(shard)
	m.Nudged()
}

// afterRefused reads the row to see why a transfer wrote nothing.
func (m *Manager) afterRefused(ctx context.Context, l Lease, epoch, to int64, held bool) {
	for m.Refresh(ctx) != nil {
		if !m.sleep(ctx, 100*time.Millisecond) {
			return
		}
	}
	now := m.Table().Lease(l.Shard)
	if now.Owner != m.id || now.Epoch != epoch {
		m.metrics.handoffs.WithLabelValues("lost").Inc()
		if held {
			m.lose(l.Shard)
		}
		return
	}
	// The destination went away in between.
	m.metrics.handoffs.WithLabelValues("refused").Inc()
	if now.Target == to && to != 0 {
		m.unaim(ctx, l.Shard, to)
	}
	m.mu.Lock()
	m.retry[l.Shard] = m.clock.Now().Add(50 * time.Millisecond)
	m.mu.Unlock()
	if held {
		m.resume(l.Shard)
	}
}

// fail notes a handoff that did not come about; it is tried again at a later beat.
func (m *Manager) fail(shard int, why string) {
	m.metrics.handoffs.WithLabelValues(why).Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retry[shard] = m.clock.Now().Add(m.timing.heartbeat / 2)
}

// resume lets the holder go on with a quiesced shard.
func (m *Manager) resume(shard int) {
	if epoch, held := (*m.held.Load())[shard]; held {
		m.holder.Granted(shard, epoch)
	}
}

// transferLoop writes the transfers: all that wait, in one statement, while the next collect.
func (m *Manager) transferLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.quiesced:
		}
		m.mu.Lock()
		batch := m.waiting
		m.waiting = nil
		m.mu.Unlock()
		if len(batch) == 0 {
			continue
		}
		hs := make([]handover, len(batch))
		for i, t := range batch {
			hs[i] = t.handover
		}
		tctx, cancel := m.clock.Bound(ctx, 2*m.timing.statement)
		epochs, err := m.rows.transfer(tctx, hs)
		cancel()
		var moved []Lease
		for _, t := range batch {
			if t.err = err; err != nil {
				continue
			}
			if t.epoch, t.moved = epochs[t.shard]; t.moved {
				moved = append(moved, Lease{Shard: t.shard, Owner: t.to, Epoch: t.epoch, unclaimedSince: m.clock.Now()})
			}
		}
		m.learn(moved)
		for _, t := range batch {
			close(t.done)
		}
	}
}
