package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/lag"
)

// round is one beat, for those who wait for it.
type round struct {
	done chan struct{} // closed when the beat has finished
	err  error         // set before
}

// Refresh reads the truth now: on success Table is at least as new as the call. Granted and Lost may come a little later.
func (m *Manager) Refresh(ctx context.Context) error {
	m.mu.Lock()
	r := m.next
	m.mu.Unlock()
	stopped := m.stopped
	if m.observing.Load() {
		stopped = nil
	}
	m.Nudged()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	case <-stopped:
		return ErrStopped
	}
}

// beatLoop beats a second after the last beat, and at once when kicked. All reading of leases goes through it, so that
// answers come one after the other. It returns when ctx ends, or with ErrDeclaredDead.
func (m *Manager) beatLoop(ctx context.Context) error {
	var conn *pgxpool.Conn
	drop := func() {
		if conn != nil {
			conn.Release()
			conn = nil
		}
	}
	defer drop()
	tick := m.clock.Timer(m.timing.heartbeat)
	defer tick.Stop()
	failing := false
	for {
		err := func() (err error) {
			tctx, cancel := m.clock.Bound(ctx, m.timing.statement)
			defer cancel()
			if conn == nil {
				if conn, err = m.rows.pool.Acquire(tctx); err != nil {
					m.finish(err)
					return err
				}
			}
			return m.beat(tctx, conn)
		}()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errBarrierDue) {
			if err = m.barrier(ctx); err == nil {
				drop()
				m.steady.Store(m.elapsed())
				if !m.sleep(ctx, 10*time.Millisecond) {
					return nil
				}
				continue
			}
		}
		switch {
		case errors.Is(err, ErrDeclaredDead):
			return err
		case err != nil:
			drop()
			m.steady.Store(m.elapsed())
			m.metrics.beatFailures.Inc()
			if !failing {
				m.log.Warn("the heartbeat fails", "error", err)
			}
			failing = true
			if !m.sleep(ctx, 100*time.Millisecond) {
				return nil
			}
			continue
		case failing:
			m.log.Info("the heartbeat works again")
			failing = false
		}
		m.wake()
		tick.Reset(m.timing.heartbeat) // a beat that was asked for is as good as any
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C():
		case <-m.kicked:
		}
	}
}

// beat sends one heartbeat and takes its answer in. It returns ErrDeclaredDead, without more, if the row says so.
func (m *Manager) beat(ctx context.Context, conn *pgxpool.Conn) (err error) {
	m.mu.Lock()
	r := m.next
	m.next = &round{done: make(chan struct{})}
	had, life, before := m.digests, m.life, m.table.Load()
	m.mu.Unlock()
	defer func() {
		r.err = err
		close(r.done)
	}()

	var measured lag.Reading
	if m.measure != nil {
		measured = m.measure()
	}
	sent := m.elapsed() // before the statement: the fence errs on the safe side
	a, err := m.rows.beat(ctx, conn, life.database, had, measured)
	if err != nil {
		m.mu.Lock()
		m.digests = digests{} // a server that crashed may have lost what this worker wrote since the last answer
		m.mu.Unlock()
		return err
	}
	err = life.follows(a.life)
	back, found := wasSetBack(before, a.leases)
	if found && err == nil && a.life.generation == life.generation {
		err = errBarrierDue
	}
	if err != nil {
		m.fence.Store(0)
		m.mu.Lock()
		m.back = back
		m.mu.Unlock()
		return fmt.Errorf("heartbeat: %w", err)
	}
	shown := reading{a.clock, sent, m.elapsed()}
	m.metrics.beatSeconds.Observe(time.Duration(shown.received - sent).Seconds())
	if a.state == Dead && !m.left.Load() {
		m.fence.Store(0)
		return ErrDeclaredDead
	}
	rooms := before.rooms
	if rooms.version != a.life.mapVersion || a.life.generation != life.generation {
		if rooms, err = readRoomMap(ctx, conn); err != nil {
			return err
		}
	}
	m.mu.Lock()
	leapt := m.lastRead.leapt(shown)
	if leapt { // before anybody sees who looks dead by it
		m.steady.Store(shown.received)
	}
	m.digests, m.life, m.lastRead = a.digests, a.life, shown
	m.leader.seen(a.leader, m.clock.Now())
	m.adoptMap(rooms)
	if a.leases != nil || a.workers != nil {
		m.replace(a.leases, a.workers)
	}
	m.generation.Store(a.life.generation) // after the table: what is held of the life before counts no more
	m.mu.Unlock()
	m.credit(sent, a.soonest)
	if leapt {
		m.log.Warn("the clock of the database leapt", "to", a.clock)
	}
	return m.outgrown(ctx, a.minProtocol)
}

// credit counts a heartbeat that was answered just now and sent then: own leases last for the fence's time from when it
// was sent, not from when the answer came, which may have been long on its way.
func (m *Manager) credit(sent int64, soonest *int64) {
	if last := m.beaten.Swap(sent); sent-last > int64(m.timing.heartbeat*3/2) {
		m.steady.Store(sent)
	}
	m.fence.Store(sent + int64(m.timing.fence))
	m.missed.Store(0)
	if soonest != nil {
		if left := time.Duration(*soonest) * time.Millisecond; left < m.timing.heartbeat {
			m.missed.Store(m.elapsed() + int64(left+5*time.Millisecond))
		}
	}
}

// finish fails those who wait for a beat that could not be sent.
func (m *Manager) finish(err error) {
	m.mu.Lock()
	r := m.next
	m.next = &round{done: make(chan struct{})}
	m.mu.Unlock()
	r.err = err
	close(r.done)
}
