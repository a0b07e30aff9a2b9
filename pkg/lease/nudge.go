package lease

import (
	"context"
	"sync"
)

// nudge makes another worker look at the database, soon and without a promise: its heartbeat would do so too.
func (m *Manager) nudge(worker int64) {
	if worker == m.id {
		m.Nudged()
		return
	}
	select {
	case m.nudges <- worker:
	default:
	}
}

// nudgeOwners nudges each owner once.
func (m *Manager) nudgeOwners(leases []Lease) {
	done := map[int64]bool{0: true}
	for _, l := range leases {
		if !done[l.Owner] {
			done[l.Owner] = true
			m.nudge(l.Owner)
		}
	}
}

// nudgeLoop sends nudges, a few at a time.
func (m *Manager) nudgeLoop(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	for range m.timing.nudgeWorkers {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case id := <-m.nudges:
					w, ok := m.Table().Worker(id)
					if !ok || m.peer == nil {
						continue
					}
					tctx, cancel := m.clock.Bound(ctx, m.timing.probe)
					if err := m.peer.Nudge(tctx, w.Addr); err != nil {
						m.log.Debug("could not nudge", "peer", id, "error", err)
					}
					cancel()
				}
			}
		})
	}
}
