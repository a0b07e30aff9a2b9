package lease

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/myelin-hs/myelin/pkg/shard"
)

// leadership is what this worker knows of who spreads the shards. Guarded by Manager.mu.
type leadership struct {
	worker  int64
	expires time.Time // of the leader's term, by this worker's clock
	tried   time.Time // when this worker last tried to lead or renewed

	until    time.Time           // this worker leads until here
	shunned  map[int64]time.Time // workers that leave shards unclaimed get no more until here
	pruned   time.Time
	backlog  int       // moves in flight or to do at the last look
	progress time.Time // when that last changed
}

// seen takes in the leader's row as a heartbeat brought it.
func (l *leadership) seen(row leaderRow, now time.Time) {
	l.worker, l.expires = row.Worker, now.Add(time.Duration(row.ExpiresMS)*time.Millisecond)
}

// lead says whether this worker is the balancer, and campaigns or renews where due. The leader's row only saves work:
// two leaders would hinder, not harm each other, as all that they write is compared with the epoch and the target.
func (m *Manager) lead(ctx context.Context) bool {
	now := m.clock.Now()
	m.mu.Lock()
	_, alive := m.table.Load().Worker(m.leader.worker)
	leading := now.Before(m.leader.until)
	vacant := !alive || now.After(m.leader.expires) || m.leader.worker == m.id
	due := vacant && now.Sub(m.leader.tried) >= m.timing.leaderTTL/4
	if due {
		m.leader.tried = now
	}
	m.mu.Unlock()
	if !due {
		return leading
	}
	tctx, cancel := m.clock.Bound(ctx, m.timing.statement)
	defer cancel()
	term, err := m.rows.lead(tctx)
	if err != nil {
		m.logUnlessDone(ctx, "could not campaign for the balancer", err)
		return leading
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leader.until = time.Time{}
	if term != 0 {
		m.leader.worker, m.leader.expires = m.id, now.Add(m.timing.leaderTTL)
		m.leader.until = now.Add(m.timing.leaderTTL * 3 / 4)
		if !leading {
			m.log.Info("leads the balancing of shards", "term", term)
		}
	}
	m.metrics.leading.Set(float64(min(term, 1)))
	return term != 0
}

// balance spreads the shards evenly if this worker leads. It returns when to look again.
func (m *Manager) balance(ctx context.Context) time.Duration {
	if m.leaving.Load() || !m.lead(ctx) {
		return m.timing.heartbeat
	}
	m.pruneDead(ctx)
	t := m.Table()
	aims, backlog := plan(t.movable(), m.unshunned(t.persisters(0)), m.timing.movesAtOnce)
	if err := m.aim(ctx, t, aims); err != nil {
		m.logUnlessDone(ctx, "could not plan moves", err)
		return m.timing.heartbeat
	}
	return m.watch(backlog)
}

// aim begins moves. Rows of blocks in flight are passed by at first; then one of them, any, is waited for: a shard whose
// blocks follow each other closely gets its turn, and a stuck one holds nothing up.
func (m *Manager) aim(ctx context.Context, t *Table, aims []handover) error {
	if len(aims) == 0 {
		return nil
	}
	tctx, cancel := m.clock.Bound(ctx, m.timing.statement)
	defer cancel()
	aimed, err := m.rows.aim(tctx, aims, false, 0)
	if err != nil {
		return err
	}
	if left := slices.DeleteFunc(aims, func(h handover) bool { return aimed[h.shard] != 0 }); len(left) > 0 {
		one := rand.IntN(len(left))
		more, err := m.rows.aim(tctx, left[one:one+1], false, m.timing.statement/20)
		if err != nil {
			return err
		}
		maps.Copy(aimed, more)
	}
	m.metrics.aimed.Add(float64(len(aimed)))
	owners := make([]Lease, 0, len(aimed))
	for s := range aimed {
		owners = append(owners, t.Lease(s))
	}
	m.nudgeOwners(owners)
	return nil
}

// shun keeps the balancer from giving more to a worker that heartbeats but doesn't claim what it has got.
func (m *Manager) shun(worker int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leader.shunned == nil {
		m.leader.shunned = map[int64]time.Time{}
	}
	m.leader.shunned[worker] = m.clock.Now().Add(m.timing.shun)
}

func (m *Manager) unshunned(workers []int64) []int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	for w, until := range m.leader.shunned {
		if m.clock.Now().After(until) {
			delete(m.leader.shunned, w)
		}
	}
	return slices.DeleteFunc(workers, func(w int64) bool { return !m.leader.shunned[w].IsZero() })
}

// watch says when to look at moves in flight again: soon after one progressed, ever later while none does.
func (m *Manager) watch(backlog int) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, now := &m.leader, m.clock.Now()
	if backlog != l.backlog {
		l.backlog, l.progress = backlog, now
	}
	if backlog == 0 {
		return m.timing.heartbeat
	}
	return min(max(m.timing.watch, now.Sub(l.progress)), m.timing.heartbeat)
}

func (m *Manager) pruneDead(ctx context.Context) {
	m.mu.Lock()
	due := m.since(m.leader.pruned) > m.timing.pruneEvery
	if due {
		m.leader.pruned = m.clock.Now()
	}
	m.mu.Unlock()
	if !due {
		return
	}
	tctx, cancel := m.clock.Bound(ctx, m.timing.statement)
	defer cancel()
	if err := m.rows.prune(tctx); err != nil {
		m.logUnlessDone(ctx, "could not prune", err)
	}
}

// plan says which moves to begin so that in the end the counts of any two workers differ by at most one, with at most
// atOnce moves at a time in which a worker gives or takes. Shards without a live owner are left to adopt, those of a
// leaving worker to itself. backlog counts what is in flight or still to do.
func plan(leases []Lease, workers []int64, atOnce int) (aims []handover, backlog int) {
	fit := make(map[int64]bool, len(workers))
	for _, w := range workers {
		fit[w] = true
	}
	inFlight := map[int64]int{}
	shards := make([]shard.Shard, 0, len(leases))
	rows := make(map[int]Lease, len(leases))
	for _, l := range leases {
		rows[l.Shard] = l
		owner := l.Owner
		if l.Target != 0 || (!l.Claimed && l.Owner != 0) {
			inFlight[l.Owner]++
			backlog++
			if fit[l.Target] {
				inFlight[l.Target]++
				owner = l.Target
			}
		}
		shards = append(shards, shard.Shard{ID: l.Shard, Owner: owner})
	}
	for _, move := range shard.Spread(shards, workers) {
		l := rows[move.Shard]
		if !fit[l.Owner] || !l.Claimed || l.Target != 0 {
			continue
		}
		backlog++
		if inFlight[l.Owner] >= atOnce || inFlight[move.To] >= atOnce {
			continue
		}
		inFlight[l.Owner]++
		inFlight[move.To]++
		aims = append(aims, handover{shard: l.Shard, epoch: l.Epoch, to: move.To})
	}
	return aims, backlog
}
