package lease

import (
	"context"
	"time"
)

// A clock is what all timers and all bounds of this package run on: the machine's, or a test's. Nothing reads a time of
// day from it; only what lies between two of its times counts.
type clock interface {
	Now() time.Time
	Timer(d time.Duration) timer
	// Bound is context.WithTimeout on this clock. Whatever this package asks of the database or of others has one.
	Bound(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
}

// A timer is a time.Timer on a clock. After Stop or Reset nothing comes of what it was set to before.
type timer interface {
	C() <-chan time.Time
	Reset(d time.Duration)
	Stop()
}

// machineClock is the machine's, whose times are monotonic.
type machineClock struct{}

func (machineClock) Now() time.Time { return time.Now() }

func (machineClock) Timer(d time.Duration) timer { return machineTimer{time.NewTimer(d)} }

func (machineClock) Bound(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

type machineTimer struct{ t *time.Timer }

func (m machineTimer) C() <-chan time.Time   { return m.t.C }
func (m machineTimer) Reset(d time.Duration) { m.t.Reset(d) }
func (m machineTimer) Stop()                 { m.t.Stop() }

// since is the time from t to now.
func (m *Manager) since(t time.Time) time.Duration { return m.clock.Now().Sub(t) }

// sleep waits; false if ctx ended first.
func (m *Manager) sleep(ctx context.Context, d time.Duration) bool {
	t := m.clock.Timer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C():
		return true
	}
}
