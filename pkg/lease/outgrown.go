package lease

import (
	"context"
	"slices"
)

// outgrown is what a worker does about a database that takes only workers of a newer protocol by now: it says so, and
// cordons itself, so that it is given no more shards. The operator raises that protocol only where no older worker lives, so
// somebody else has; to end at once would fail requests that are still answered rightly.
func (m *Manager) outgrown(ctx context.Context, minProtocol int) error {
	if minProtocol <= m.self.Protocol {
		return nil
	}
	persists := slices.Contains(m.self.Roles, RolePersister)
	if self, known := m.Table().Worker(m.id); known && (self.Cordoned || !persists && m.told == minProtocol) {
		return nil
	}
	if m.told != minProtocol {
		m.told = minProtocol
		m.log.Error("the database takes only workers of a newer protocol: replace this worker by one of the version that upgraded it",
			"takes", minProtocol, "speaks", m.self.Protocol)
	}
	if !persists {
		return nil
	}
	_, err := m.rows.cordon(ctx, m.id, true)
	return err
}
