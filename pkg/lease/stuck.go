package lease

import (
	"context"
	"errors"
	"sync"
	"time"
)

// watchLoop asks the holder whether it gets on. It returns errStuck once this worker has given up because it does not,
// which its heartbeats would have hidden for ever, or nil when ctx ends.
func (m *Manager) watchLoop(ctx context.Context) error {
	holder, ok := m.holder.(Progress)
	if !ok {
		return nil
	}
	every := m.timing.stuck / 16
	tick := m.clock.Timer(every)
	defer tick.Stop()
	answers := make(chan time.Duration, 1)
	var asked time.Time // zero: no question is open
	for {
		if asked.IsZero() {
			asked = m.clock.Now()
			go func() { answers <- holder.Stalled() }() // not waited for: a holder that hangs may do so here as well
		}
		var stalled time.Duration
		select {
		case <-ctx.Done():
			return nil
		case stalled = <-answers:
			asked = time.Time{}
		case <-tick.C():
			tick.Reset(every)
			stalled = m.since(asked)
		}
		stalled = min(stalled, m.blamable())
		if stalled >= m.timing.stuck && m.surrender(ctx, stalled) {
			return errStuck
		}
		if asked.IsZero() {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C():
				tick.Reset(every)
			}
		}
	}
}

// blamable is for how long a lack of progress may have been this worker's fault: since the database was there again, and gave
// it the rows that it waited for to learn what became of its writes. Who has them locked keeps the next owner waiting, too.
// A raise that fails otherwise, or gets its rows at once, excuses nothing.
func (m *Manager) blamable() time.Duration {
	if m.raising.Load() > 0 {
		return 0
	}
	return time.Duration(m.elapsed() - max(m.steady.Load(), m.raised.Load()))
}

// surrender declares this worker dead and tells who got its shards. It does nothing while the heartbeat fails, which
// settles the matter in its own way, or while the lanes wait for the server: another worker would wait like this one.
func (m *Manager) surrender(ctx context.Context, stalled time.Duration) bool {
	if !m.healthy() || m.left.Load() {
		return false
	}
	tctx, cancel := m.clock.Bound(ctx, 5*m.timing.statement)
	defer cancel()
	placed, err := m.rows.takeOver(tctx, m.id, stuck, 0)
	if err != nil {
		if !errors.Is(err, errNotSuspect) {
			m.logUnlessDone(ctx, "is stuck, but could not give up", err)
		}
		return false
	}
	m.fence.Store(0)
	m.metrics.takeovers.WithLabelValues(stuck.String()).Inc()
	m.log.Error("gave up: some shard made no progress", "stalled", stalled, "shards", len(placed))
	m.learn(placed)
	owners := map[int64]Worker{}
	for _, l := range placed {
		if w, ok := m.Table().Worker(l.Owner); ok {
			owners[w.ID] = w
		}
	}
	if m.peer == nil {
		return true
	}
	tctx, cancelNudges := m.clock.Bound(ctx, m.timing.probe)
	defer cancelNudges()
	var nudges sync.WaitGroup
	for _, w := range owners {
		nudges.Go(func() { _ = m.peer.Nudge(tctx, w.Addr) }) // their heartbeats bring the news, too
	}
	nudges.Wait()
	return true
}
