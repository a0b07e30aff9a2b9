package app

import (
	"context"
	"errors"

	"github.com/myelin-hs/myelin/pkg/lease"
)

// membership is the worker's place among the others. After another has declared it dead it stops the group, but goes on
// reading the table until all others have stopped: a gateway that serves for its stop delay has to know who owns what.
type membership struct {
	manager *lease.Manager
	died    chan error // of capacity 1
}

func newMembership(m *lease.Manager) *membership { return &membership{m, make(chan error, 1)} }

func (m *membership) run(ctx context.Context) error {
	err := m.manager.Run(ctx)
	if !errors.Is(err, lease.ErrDeclaredDead) {
		return err
	}
	m.died <- err
	m.manager.Observe(ctx)
	return nil
}

// live returns when the worker has been declared dead, or ctx ends.
func (m *membership) live(ctx context.Context) error {
	select {
	case err := <-m.died:
		return err
	case <-ctx.Done():
		return nil
	}
}

// resets has forgotten what was read of a database that turned out to have another past. The follower of the horizon hears
// of it by itself, and has its own listeners forget.
func (w *worker) resets(context.Context) error {
	w.lease.OnReset(func(int64) {
		w.pool.Reset() // an idle connection may lead to a former primary
		if w.gateway != nil {
			w.gateway.Reset()
		}
	})
	return nil
}
