package lease

import "context"

// Observe goes on reading the table, until ctx ends, after Run returned [ErrDeclaredDead]: what this worker knows of the
// others stays fresh while it brings to an end what it has begun. It owns nothing and changes nothing.
func (m *Manager) Observe(ctx context.Context) {
	m.left.Store(true) // its own death is no news
	m.observing.Store(true)
	defer m.observing.Store(false)
	_ = m.beatLoop(ctx)
}
