package lease

import (
	"context"
	"fmt"
	"time"
)

// Drain makes this worker leave: it gives all its shards to the persisters that stay, or to nobody if there are none,
// and returns when it owns nothing and its row says that it is gone. Run must be running, and goes on: what it knows of
// the others stays fresh, for requests that are still to be sent on. On an error (ctx ended) the worker goes on leaving.
func (m *Manager) Drain(ctx context.Context) error {
	began := m.clock.Now()
	if err := m.drain(ctx); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	m.log.Info("drained", "seconds", m.since(began).Seconds())
	return nil
}

func (m *Manager) drain(ctx context.Context) error {
	for {
		err := m.rows.leave(ctx)
		if err == nil {
			break
		}
		m.logUnlessDone(ctx, "could not start to leave", err)
		if !m.sleep(ctx, 100*time.Millisecond) {
			return err
		}
	}
	if err := m.rows.resign(ctx); err != nil {
		m.logUnlessDone(ctx, "could not resign as balancer", err)
	}
	for {
		// The first read comes before the first handoff: who stays must be known before shards are released to nobody.
		changed := m.Changed()
		if err := m.Refresh(ctx); err != nil {
			if err == ErrStopped {
				return err
			}
			m.logUnlessDone(ctx, "could not read the leases while leaving", err)
		} else if m.leaving.Store(true); m.ownsNothing() {
			gone, err := m.quit(ctx)
			if gone {
				return nil
			}
			m.logUnlessDone(ctx, "could not leave yet", err)
		}
		m.wake()
		wait := m.clock.Timer(50 * time.Millisecond)
		select {
		case <-changed:
		case <-wait.C():
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
		wait.Stop()
	}
}

func (m *Manager) ownsNothing() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.busy) > 0 || len(*m.held.Load()) > 0 {
		return false
	}
	for _, l := range m.table.Load().leases {
		if l.Owner == m.id {
			return false
		}
	}
	return true
}

// quit writes that this worker is gone.
func (m *Manager) quit(ctx context.Context) (bool, error) {
	m.left.Store(true)
	gone, err := m.rows.quit(ctx)
	if !gone {
		m.left.Store(err != nil) // unknown: it may be gone
		return false, err
	}
	return true, nil
}
