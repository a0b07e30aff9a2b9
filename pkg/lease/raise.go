package lease

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/myelin-hs/myelin/pkg/postgres"
)

// Raise settles writes whose outcome is unknown, as their connection broke: it raises the epochs (given: those that the
// writes carried) of shards held by this worker, which waits for what is still in flight and refuses what comes later.
// After it, look what is there. It returns the new epochs; Granted is not called for them. Shards that are absent from
// the answer are lost, and Lost follows. It tries until it knows, or ctx ends.
func (m *Manager) Raise(ctx context.Context, shards map[int]int64) (map[int]int64, error) {
	ids := slices.Collect(maps.Keys(shards))
	m.occupy(ids...)
	defer func() {
		m.vacate(ids...)
		m.wake()
	}()
	raised, err := m.raise(ctx, shards)
	if err != nil {
		return nil, err
	}
	if len(raised) < len(shards) {
		m.Nudged()
	}
	return raised, nil
}

// raise is Raise for shards that are occupied by the caller already.
func (m *Manager) raise(ctx context.Context, shards map[int]int64) (map[int]int64, error) {
	locked := true // for all that is known
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		tctx, cancel := m.clock.Bound(ctx, 5*m.timing.statement)
		done := m.awaitRows(locked)
		raised, now, err := m.rows.raise(tctx, shards)
		locked = done(err)
		switch {
		case err != nil:
		case now.generation < m.Generation(): // this raised nothing where the writes may stand
			err = errFormer
		default:
			err = m.remap(tctx, now)
		}
		cancel()
		if err == nil {
			m.hold(raised)
			return raised, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		m.log.Warn("the outcome of writes is still unknown", "error", err)
		if !m.sleep(ctx, pause) {
			return nil, err
		}
	}
}

// awaitRows notes that a raise waits for its rows, if they may be locked; call what it returns with what came of it, which
// says whether they are.
func (m *Manager) awaitRows(locked bool) (done func(error) bool) {
	began := m.clock.Now()
	if locked {
		m.raising.Add(1)
	}
	return func(err error) bool {
		waited := postgres.Code(err) == lockNotAvailable
		if waited || err == nil && m.since(began) >= m.timing.stuck/16 {
			m.raised.Store(m.elapsed())
		}
		if locked {
			m.raising.Add(-1)
		}
		return waited
	}
}
