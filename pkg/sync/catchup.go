package sync

import (
	"context"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

const (
	// bodyGrace is how long a body may be late behind the index.
	bodyGrace = 5 * time.Millisecond
	// loadRun and olderRun are the numbers of events that are read of a room.
	loadRun  = 50
	olderRun = 128
)

// catchUp brings the rooms to p: it reads those that are not in memory, and what the bus did not bring, set-wise. A
// room that another request reads for is waited for. Rooms that do not exist stay without a history.
func (s *Sync) catchUp(ctx context.Context, all []*room, p position.Position) error {
	var deadline time.Time // of the bodies that may just be late
	for {
		var load, fill []*room
		var resets []int
		var others, late <-chan struct{}
		for _, r := range all {
			r.mu.Lock()
			switch {
			case r.busy != nil:
				others = r.busy
			case r.absent:
			case r.history == nil:
				r.busy = make(chan struct{})
				load, resets = append(load, r), append(resets, r.resets)
			case !r.inbox.lacks(p.Block()):
			case s.connected.Load() && (deadline.IsZero() || time.Now().Before(deadline)):
				late = r.inbox.complete()
			default:
				r.busy = make(chan struct{})
				fill = append(fill, r)
			}
			r.mu.Unlock()
		}
		err := s.load(ctx, load, resets)
		if fillErr := s.fill(ctx, fill, p); err == nil {
			err = fillErr
		}
		switch {
		case err != nil:
			return err
		case others != nil:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-others:
			}
		case late != nil:
			if deadline.IsZero() {
				deadline = time.Now().Add(bodyGrace)
			}
			grace(ctx, late, deadline)
		case len(fill)+len(load) == 0:
			return nil
		}
	}
}

// grace waits for a body that may just be late.
func grace(ctx context.Context, late <-chan struct{}, deadline time.Time) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-late:
	}
}

// load reads rooms.
func (s *Sync) load(ctx context.Context, all []*room, resets []int) error {
	if len(all) == 0 {
		return nil
	}
	ids := make([]id.RoomID, len(all))
	for i, r := range all {
		ids[i] = r.id
	}
	defer s.lag.Begin()()
	found, err := loadHistories(ctx, s.cfg.Pool, ids, loadRun)
	metricLoads.WithLabelValues("room").Add(float64(len(all)))
	for i, r := range all {
		r.mu.Lock()
		if err == nil {
			r.install(found[i], resets[i])
		}
		r.release()
		r.mu.Unlock()
	}
	return err
}

// fill appends to rooms what they lack up to p. A room that lacks more than a run holds is dropped, to be read anew.
func (s *Sync) fill(ctx context.Context, all []*room, p position.Position) error {
	if len(all) == 0 {
		return nil
	}
	reaches := make([]reach, len(all))
	resets := make([]int, len(all))
	for i, r := range all {
		r.mu.Lock()
		resets[i] = r.resets
		if r.history != nil {
			reaches[i] = reach{room: r.id, after: r.history.upto, upto: p, limit: runMax}
		}
		r.mu.Unlock()
	}
	defer s.lag.Begin()()
	found, err := selectRuns(ctx, s.cfg.Pool, reaches)
	metricFills.WithLabelValues("room").Add(float64(len(all)))
	for i, r := range all {
		r.mu.Lock()
		if err == nil && r.resets == resets[i] && r.history != nil {
			r.extend(found[i].events, p)
		}
		r.release()
		r.mu.Unlock()
	}
	return err
}

// extend appends events, newest first, that are all there are up to p. The caller holds mu.
func (r *room) extend(newestFirst []*entry, p position.Position) {
	if len(newestFirst) >= runMax {
		r.drop()
		return
	}
	for i := len(newestFirst) - 1; i >= 0; i-- {
		r.history.append(newestFirst[i])
	}
	r.history.upto = max(r.history.upto, p)
	r.inbox.settle(p.Block())
	r.apply()
}

// deepen reads events before the runs of rooms.
func (s *Sync) deepen(ctx context.Context, all []*room) error {
	var reaches []reach
	var mine []*room
	var resets []int
	var others <-chan struct{}
	for _, r := range all {
		r.mu.Lock()
		switch {
		case r.busy != nil:
			others = r.busy
		case r.history != nil && r.history.from > 0:
			r.busy = make(chan struct{})
			mine, resets = append(mine, r), append(resets, r.resets)
			reaches = append(reaches, reach{room: r.id, upto: r.history.from, limit: olderRun})
		}
		r.mu.Unlock()
	}
	if len(mine) > 0 {
		found, err := selectRuns(ctx, s.cfg.Pool, reaches)
		metricLoads.WithLabelValues("older").Add(float64(len(mine)))
		for i, r := range mine {
			r.mu.Lock()
			// The run may have been cut meanwhile; then what was read no longer joins up with it.
			if err == nil && r.resets == resets[i] && r.history.from == reaches[i].upto {
				r.history.prepend(found[i].events, len(found[i].events) < olderRun)
			}
			r.release()
			r.mu.Unlock()
		}
		if err != nil {
			return err
		}
	}
	if others != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-others:
		}
	}
	return nil
}
