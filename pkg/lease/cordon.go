package lease

import (
	"context"
	"fmt"
	"slices"
)

// Cordon keeps a live persister from being given shards, or, with false, allows it again. It keeps those that it has, and
// a move to it that is under way arrives; it may give them away. Shards whose owner is gone still come to it where
// no persister is left that is not cordoned. It returns ErrUnfit if there is no such worker. The next incarnation of a
// pod is another worker: it is not cordoned. Workers of a build before schema 6 do not look at it: while one of them
// leads the balancing, or takes over, cordoned workers may get shards.
func (m *Manager) Cordon(ctx context.Context, worker int64, cordoned bool) error {
	found, err := m.rows.cordon(ctx, worker, cordoned)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("cordon worker %d: %w", worker, ErrUnfit)
	}
	m.askBalancer()
	return nil
}

// Rebalance makes the balancer look now at how shards are spread. It returns its worker, 0 where none leads, as before the
// first election.
func (m *Manager) Rebalance(ctx context.Context) (int64, error) {
	if err := m.Refresh(ctx); err != nil {
		return 0, fmt.Errorf("rebalance: %w", err)
	}
	return m.askBalancer(), nil
}

// askBalancer nudges who leads, by what the last heartbeat said.
func (m *Manager) askBalancer() int64 {
	m.mu.Lock()
	leader := m.leader.worker
	m.mu.Unlock()
	if _, alive := m.Table().Worker(leader); !alive {
		return 0
	}
	m.nudge(leader)
	return leader
}

// movable are the leases that the balancer spreads: all but those of cordoned workers, which keep theirs and are not
// counted, and what is on its way there.
func (t *Table) movable() []Lease {
	return slices.DeleteFunc(t.Leases(), func(l Lease) bool {
		if l.Target != 0 {
			return t.workers[l.Target].Cordoned
		}
		return t.workers[l.Owner].Cordoned
	})
}
