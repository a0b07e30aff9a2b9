package lease

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// life is which database this is, and in which of its lives.
type life struct {
	database   string // its id
	generation int64  // grows by each barrier
	timeline   string // of the server
	system     int64  // of the server
	same       bool   // timeline and system are the recorded ones
	mapVersion int64
}

var (
	errBarrierDue    = errors.New("the database was promoted or restored: a barrier is due")
	errOtherDatabase = fmt.Errorf("the name of the database leads to another one: %w", ErrDeclaredDead)
	errFormer        = errors.New("the server is on an older timeline than before, as a former primary is")
)

// follows says whether what this worker remembers holds in what it reads now; the zero life remembers nothing.
//
// A server that was restarted is the same. One that was promoted has another timeline than is recorded in it, until the
// barrier. A former primary that still runs agrees with itself, but its timeline is an older one: there is nothing to do
// but to wait for the name to lead to the right server again. Else a generation that is smaller than before is a backup's,
// and so is the same one on another timeline or system: somebody who remembered less has begun it there.
func (had life) follows(now life) error {
	switch {
	case had.database != "" && now.database != had.database:
		return errOtherDatabase
	case now.same && now.system == had.system && now.timeline < had.timeline:
		return errFormer
	case !now.same, now.generation < had.generation:
		return errBarrierDue
	case now.generation == had.generation && (now.timeline != had.timeline || now.system != had.system):
		return errBarrierDue
	default:
		return nil
	}
}

// wasSetBack returns a shard whose row has a smaller epoch than what was known before it was read.
func wasSetBack(before *Table, now []Lease) (setBack, bool) {
	for _, l := range now {
		if known := before.Lease(l.Shard).Epoch; l.Epoch < known {
			return setBack{l.Shard, known}, true
		}
	}
	return setBack{}, false
}

// Generation is the database's present life, as far as this worker knows: it grows by each barrier, after a promotion or
// a restore. It is what block_begin is to be called with, read at the time of the call.
func (m *Manager) Generation() int64 { return m.generation.Load() }

// OnReset has f called when the database turned out to have another past than this worker remembers: a standby was
// promoted, or a backup restored. What was acknowledged last may be gone. f drops all that was read from the database
// before; it must not block. It is called after OwnLease has become false for all shards, and before Granted is called
// under the new generation. The sequence of blocks has leapt by 2^24 by then, and a block without content stands there, so
// every position that was given out before is below the next P. Call OnReset before Run, any number of times; the
// functions are called in that order.
func (m *Manager) OnReset(f func(generation int64)) { m.resets = append(m.resets, f) }

// barrier begins a new generation unless another worker did. Before it nothing is answered from memory.
func (m *Manager) barrier(ctx context.Context) error {
	m.mu.Lock()
	had, back := m.life, m.back
	m.mu.Unlock()
	tctx, cancel := m.clock.Bound(ctx, 5*m.timing.statement)
	defer cancel()
	began, err := m.rows.barrier(tctx, had, back)
	if err != nil {
		return err
	}
	if began {
		m.metrics.barriers.Inc()
		m.log.Warn("the database was promoted or restored: began a new generation", "after", had.generation)
	}
	return nil
}

// reset lets go of everything when the generation is new. Only steering calls it.
func (m *Manager) reset() {
	generation := m.Generation()
	if generation == m.served {
		return
	}
	for shard := range *m.held.Load() {
		if !m.isBusy(shard) { // else its handoff ends by losing it
			m.lose(shard)
		}
	}
	for _, f := range m.resets {
		f(generation)
	}
	m.rows.pool.Reset() // an idle connection may lead to a former primary
	m.served = generation
	m.log.Warn("dropped what was remembered of the database before", "generation", generation)
}

// enroll joins, behind a barrier where one is due.
func (m *Manager) enroll(ctx context.Context) error {
	for {
		var err error
		if m.id, err = m.rows.join(ctx, m.self); !errors.Is(err, errBarrierDue) {
			return err
		}
		var database string
		if err := m.rows.pool.QueryRow(ctx, `SELECT database_id::text FROM cluster_state`).Scan(&database); err != nil {
			return err
		}
		m.life.database = database
		if err := m.barrier(ctx); err != nil {
			return err
		}
		if !m.sleep(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
}
