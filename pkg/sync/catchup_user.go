package sync

import (
	"context"
	"time"

	"github.com/myelin-hs/myelin/pkg/position"
)

// catchUpUser brings a user's memberships to p.
func (s *Sync) catchUpUser(ctx context.Context, u *user, p position.Position) error {
	for {
		u.mu.Lock()
		loaded, busy, resets := u.loaded, u.busy, u.resets
		if !loaded && busy == nil {
			u.busy = make(chan struct{})
		}
		u.mu.Unlock()
		switch {
		case loaded:
			return s.catchUpShard(ctx, u.shard, p)
		case busy != nil:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-busy:
			}
		default:
			if err := s.loadUser(ctx, u, resets); err != nil {
				return err
			}
		}
	}
}

func (s *Sync) loadUser(ctx context.Context, u *user, resets int) error {
	defer s.lag.Begin()()
	metricLoads.WithLabelValues("user").Inc()
	found, err := loadMemberships(ctx, s.cfg.Pool, u.id)
	u.mu.Lock()
	var changed []standing
	if err == nil && u.resets == resets {
		for roomID, m := range found {
			if u.set(roomID, m) {
				changed = append(changed, standing{roomID, m})
			}
		}
		u.loaded = true
	}
	close(u.busy)
	u.busy = nil
	for _, c := range changed { // with mu held, as everywhere: watchers follow the order of memberships
		s.users.watch(u, c)
	}
	u.mu.Unlock()
	return err
}

// catchUpShard brings the memberships of a user shard's users to p.
func (s *Sync) catchUpShard(ctx context.Context, x *userShard, p position.Position) error {
	var deadline time.Time
	for {
		x.mu.Lock()
		busy, lacks, upto, resets := x.busy, x.inbox.lacks(p.Block()), x.upto, x.resets
		var late <-chan struct{}
		wait := s.connected.Load() && (deadline.IsZero() || time.Now().Before(deadline))
		switch {
		case busy != nil || !lacks:
		case wait:
			late = x.inbox.complete()
		default:
			x.busy = make(chan struct{})
		}
		x.mu.Unlock()
		switch {
		case busy != nil:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-busy:
			}
		case !lacks:
			return nil
		case late != nil:
			if deadline.IsZero() {
				deadline = time.Now().Add(bodyGrace)
			}
			grace(ctx, late, deadline)
		default:
			if err := s.fillShard(ctx, x, upto, p, resets); err != nil {
				return err
			}
		}
	}
}

func (s *Sync) fillShard(ctx context.Context, x *userShard, upto, p position.Position, resets int) error {
	defer s.lag.Begin()()
	metricFills.WithLabelValues("user_shard").Inc()
	found, err := loadShardMemberships(ctx, s.cfg.Pool, x.number, upto)
	x.mu.Lock()
	var changes []change
	if err == nil && x.resets == resets {
		for _, m := range found {
			changes = s.users.give(x, changes, m.user, standing{m.room, m.membership})
		}
		x.upto = max(x.upto, p)
		x.inbox.settle(p.Block())
		changes = append(changes, s.users.apply(x)...)
	}
	close(x.busy)
	x.busy = nil
	x.mu.Unlock()
	for _, c := range changes {
		c.user.wake()
	}
	return err
}
