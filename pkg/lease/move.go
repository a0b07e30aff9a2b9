package lease

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/myelin-hs/myelin/pkg/shard"
)

// Moved is what a Move did.
type Moved struct {
	From  int64 // 0: nobody
	To    int64
	Epoch int64 // at the new owner
}

// Move moves a shard to a live persister, 0 for any but the present owner, and returns once that one serves it. It
// returns ErrNoSuchShard, ErrUnfit if there is no such worker or it went away meanwhile, or ErrNotYet when ctx ends first.
// The balancer may move another shard in its place, or this one on.
func (m *Manager) Move(ctx context.Context, shardID int, to int64) (Moved, error) {
	moved, err := m.move(ctx, shardID, to)
	if err != nil {
		return Moved{}, fmt.Errorf("move shard %d: %w", shardID, err)
	}
	return moved, nil
}

func (m *Manager) move(ctx context.Context, id int, to int64) (Moved, error) {
	from, aimedAt := int64(-1), int64(0) // the epoch at which the target was set; 0: not yet
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		if err := m.Refresh(ctx); err != nil {
			if from >= 0 && ctx.Err() != nil {
				return Moved{}, ErrNotYet
			}
			return Moved{}, err
		}
		t := m.Table()
		l, ok := t.leases[id]
		if !ok {
			return Moved{}, ErrNoSuchShard
		}
		if from < 0 {
			from = l.Owner
		}
		if to == 0 {
			if to = t.leastLoaded(l); to == 0 {
				return Moved{}, ErrUnfit
			}
		}
		if l.Owner == to && l.Claimed {
			return Moved{From: from, To: to, Epoch: l.Epoch}, nil
		}
		if aimedAt > 0 && l.Epoch > aimedAt+1 {
			// It was there between two looks, and the balancer has moved it on: to insist would move it to and fro.
			return Moved{From: from, To: to, Epoch: aimedAt + 1}, nil
		}
		if w, ok := t.Worker(to); !ok || w.State != Live || w.expired || w.Cordoned || !w.HasRole(RolePersister) {
			return Moved{}, ErrUnfit
		}
		switch {
		case l.Owner == to || l.Owner == 0: // on its way, or about to be adopted
		case l.Target == to:
			aimedAt = l.Epoch
			m.nudge(l.Owner)
		case aimedAt > 0 && l.Target != 0:
			return Moved{}, fmt.Errorf("%w: it is being moved elsewhere", ErrUnfit)
		default:
			set, err := m.rows.aim(ctx, []handover{{shard: id, epoch: l.Epoch, to: to}}, true, m.timing.statement)
			if err != nil {
				return Moved{}, err
			}
			if len(set) == 1 {
				aimedAt = l.Epoch
				m.nudge(l.Owner)
			}
		}
		changed := m.Changed()
		wait := m.clock.Timer(pause)
		select {
		case <-changed:
		case <-wait.C():
		case <-ctx.Done():
		}
		wait.Stop()
	}
}

// leastLoaded returns the persister, but for the shard's owner, that owns the fewest shards, so that the balancer has
// little to undo; 0 if there is none.
func (t *Table) leastLoaded(l Lease) int64 {
	owned := map[int64]int{}
	for _, x := range t.leases {
		owned[x.Owner]++
	}
	ranked := shard.Rank(strconv.Itoa(l.Shard), t.persisters(l.Owner))
	if len(ranked) == 0 {
		return 0
	}
	return slices.MinFunc(ranked, func(a, b int64) int { return cmp.Compare(owned[a], owned[b]) })
}
