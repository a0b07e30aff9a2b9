package lease

import (
	"context"
	"time"
)

// steerLoop does what the table asks of this worker, whenever it changed and after every beat. It alone starts
// handoffs, and it alone calls Granted and Lost for shards that aren't busy.
func (m *Manager) steerLoop(ctx context.Context) {
	again := m.clock.Timer(m.timing.heartbeat)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.woken:
			next := m.steer(ctx)
			if next >= m.timing.heartbeat {
				next = 2 * m.timing.heartbeat // the next beat is sooner and wakes this loop anyway
			}
			again.Reset(next)
		case s := <-m.suspected:
			m.investigate(ctx, s)
		case <-again.C():
			m.Nudged() // a beat, then steer
		}
	}
}

// steer returns after how long the database is to be looked at again, if nothing happens before.
func (m *Manager) steer(ctx context.Context) time.Duration {
	m.reset()
	if !m.healthy() {
		return m.timing.heartbeat
	}
	m.settle(ctx)
	m.give(ctx)
	next := m.adopt(ctx)
	m.bury(ctx)
	if missed := m.missed.Load(); missed != 0 {
		// Looked at when it will have expired, not up to a heartbeat later.
		next = min(next, max(time.Duration(missed-m.elapsed()), 5*time.Millisecond))
	}
	return min(next, m.balance(ctx), m.timing.heartbeat)
}

// settle brings what is held in line with the rows.
//
//	row                    held          →
//	mine at the epoch      yes           nothing; claim it if it isn't
//	mine at a later epoch  yes           Lost: others had it in between; then as below
//	mine                   no            claim, Granted
//	not mine, later        yes           Lost
func (m *Manager) settle(ctx context.Context) {
	var claim []int
	for _, l := range m.Table().Leases() {
		epoch, held := (*m.held.Load())[l.Shard]
		switch {
		case !held && l.Owner != m.id, held && epoch == l.Epoch && l.Claimed, held && epoch > l.Epoch, m.isBusy(l.Shard):
		case l.Owner != m.id:
			m.log.Info("lost a shard", "shard", l.Shard, "epoch", l.Epoch, "owner", l.Owner)
			m.lose(l.Shard)
		default:
			if held && epoch < l.Epoch {
				m.lose(l.Shard)
			}
			if m.holder != nil && !m.leaving.Load() {
				claim = append(claim, l.Shard)
			}
		}
	}
	if len(claim) == 0 {
		return
	}
	tctx, cancel := m.clock.Bound(ctx, m.timing.statement)
	defer cancel()
	epochs, now, err := m.rows.claim(tctx, claim)
	if err == nil && now.generation != m.served {
		m.Nudged() // a barrier went by
		return
	}
	if err == nil {
		err = m.remap(tctx, now)
	}
	if err != nil {
		m.logUnlessDone(ctx, "could not claim shards", err)
		return
	}
	before := *m.held.Load()
	m.hold(epochs)
	for shard, epoch := range epochs {
		if e, held := before[shard]; held && e == epoch {
			continue
		}
		m.holder.Granted(shard, epoch)
	}
	if len(epochs) < len(claim) {
		m.Nudged()
	}
}

// adopt places shards that nobody serves. It returns when the next may become adoptable.
func (m *Manager) adopt(ctx context.Context) time.Duration {
	t, next := m.Table(), m.timing.heartbeat
	var homeless []int
	for _, l := range t.Leases() {
		_, alive := t.Worker(l.Owner)
		wait := m.timing.unclaimed - m.since(l.unclaimedSince)
		if !l.Claimed && l.Owner != m.id && wait < m.timing.unclaimed/4 {
			m.shun(l.Owner)
		}
		switch {
		case !alive, !l.Claimed && l.Owner != m.id && wait <= 0:
			homeless = append(homeless, l.Shard)
		case !l.Claimed && l.Owner != m.id:
			next = min(next, wait)
		}
	}
	if len(homeless) == 0 || len(t.persisters(0)) == 0 {
		return next
	}
	tctx, cancel := m.clock.Bound(ctx, m.timing.statement)
	defer cancel()
	placed, err := m.rows.adopt(tctx, homeless)
	if err != nil {
		m.logUnlessDone(ctx, "could not place shards that nobody serves", err)
		return next
	}
	if len(placed) > 0 {
		m.log.Info("placed shards that nobody served", "shards", len(placed))
		m.metrics.adopted.Add(float64(len(placed)))
		m.learn(placed)
		m.nudgeOwners(placed)
		m.wake()
	}
	return max(next, time.Millisecond)
}

// logUnlessDone logs what will be tried again.
func (m *Manager) logUnlessDone(ctx context.Context, msg string, err error) {
	if ctx.Err() == nil {
		m.log.Warn(msg, "error", err)
	}
}
