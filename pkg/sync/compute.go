package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/position"
)

const (
	// maxAttempts bounds how often an answer is started over because models changed under it.
	maxAttempts = 20
	// maxDeepen bounds how often runs are read further back for one answer.
	maxDeepen = 3
)

// errStale says that what an answer was made from has changed: start over.
var errStale = errors.New("models changed")

// compute makes the answer as of the P that is applied now.
func (s *Sync) compute(ctx context.Context, q *request) (*response, error) {
	began := time.Now()
	for range maxAttempts {
		body, err := s.computeAt(ctx, q)
		if errors.Is(err, errStale) {
			continue
		}
		kind := "incremental"
		if q.initial {
			kind = "initial"
		}
		metricAnswer.WithLabelValues(kind).Observe(time.Since(began).Seconds())
		return body, err
	}
	return nil, mxerr.Unavailable(time.Second, "The rooms change too quickly").WithCause(errStale)
}

func (s *Sync) computeAt(ctx context.Context, q *request) (*response, error) {
	p, _ := s.at()
	if err := s.catchUpUser(ctx, q.user, p); err != nil {
		return nil, err
	}
	standings, greatest, loaded := q.user.standings()
	if !loaded {
		return nil, errStale
	}
	if greatest > p {
		return nil, s.overtake(ctx, greatest)
	}
	pl, err := s.plan(ctx, q, standings, p)
	if err != nil {
		return nil, err
	}
	body := emptyResponse(p)
	x := newRenderer(q)
	if err := s.addJoined(ctx, pl.join, p, x, body); err != nil {
		return nil, err
	}
	if err := s.addStripped(ctx, q, pl, x, body); err != nil {
		return nil, err
	}
	if err := s.addLeft(ctx, pl.leave, x, body); err != nil {
		return nil, err
	}
	if q.initial && q.filter.AccountData.wantsType("m.push_rules") {
		raw, err := json.Marshal(struct {
			Type    string          `json:"type"`
			Content json.RawMessage `json:"content"`
		}{"m.push_rules", s.cfg.PushRules(q.who.UserID)})
		if err != nil {
			return nil, fmt.Errorf("render push rules: %w", err)
		}
		body.AccountData.Events = append(body.AccountData.Events, raw)
	}
	return body, nil
}

// overtake waits for P to cover what was read, and has the answer started over.
func (s *Sync) overtake(ctx context.Context, p position.Position) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := s.await(ctx, p); err != nil {
		return mxerr.Unavailable(time.Second, "The stream stands still").WithCause(err)
	}
	return errStale
}

// A plan says which rooms an answer has, and what of each.
type plan struct {
	join   []view
	invite []place
	knock  []place
	leave  []view
}

// plan sorts the user's rooms by how they stand at p, and stood at the request's token.
func (s *Sync) plan(ctx context.Context, q *request, standings []standing, p position.Position) (*plan, error) {
	pl := &plan{}
	var still, moved []standing
	for _, x := range standings {
		news := q.initial || x.position > q.since
		switch {
		case !q.filter.Room.wants(x.room):
		case x.membership.membership == "join" && !news:
			still = append(still, x)
		case x.membership.membership == "invite" && news:
			pl.invite = append(pl.invite, place{x.room, x.position})
		case x.membership.membership == "knock" && news:
			pl.knock = append(pl.knock, place{x.room, x.position})
		case x.membership.membership == "join", (x.membership.membership == "leave" || x.membership.membership == "ban") && news:
			moved = append(moved, x)
		}
	}
	if q.initial {
		for _, x := range moved {
			v := view{user: q.who.UserID, room: x.room, upto: p, full: true, guarded: true, filter: q.filter}
			if x.membership.membership == "join" {
				pl.join = append(pl.join, v)
			} else if q.filter.Room.IncludeLeave {
				v.upto = x.position
				pl.leave = append(pl.leave, v)
			}
		}
		return pl, nil
	}

	if !q.fullState {
		var err error
		if still, err = s.changed(ctx, still, q.since, p); err != nil {
			return nil, err
		}
	}
	for _, x := range still {
		pl.join = append(pl.join, view{user: q.who.UserID, room: x.room, after: q.since, upto: p, full: q.fullState, filter: q.filter})
	}
	return pl, s.planMoved(ctx, q, pl, moved, p)
}

// planMoved plans the rooms in which the user's membership changed after the request's token.
func (s *Sync) planMoved(ctx context.Context, q *request, pl *plan, moved []standing, p position.Position) error {
	ids := make([]id.RoomID, len(moved))
	for i, x := range moved {
		ids[i] = x.room
	}
	pasts, err := loadPasts(ctx, s.cfg.Pool, q.who.UserID, ids, q.since, p)
	if err != nil {
		return err
	}
	for i, x := range moved {
		past := pasts[i]
		v := view{user: q.who.UserID, room: x.room, after: q.since, upto: p, full: past.away || q.fullState, guarded: true, filter: q.filter}
		switch {
		case !past.away: // joined all the time until the last change
		case past.membership == "invite", past.membership == "knock", !past.known:
			v.after = 0 // the client has seen nothing of the room
		default:
			v.gap = true // it has what came before the user left
		}
		if x.membership.membership == "join" {
			pl.join = append(pl.join, v)
		} else {
			v.upto = x.position
			pl.leave = append(pl.leave, v)
		}
	}
	return nil
}

// changed returns the rooms with events in (after, upto].
func (s *Sync) changed(ctx context.Context, all []standing, after, upto position.Position) ([]standing, error) {
	hash := func(x standing) uint64 { return bus.RoomHash(string(x.room)) }
	// A token that ends within a block has seen only a part of it.
	if found, ok := changedSince(s.recent, all, hash, (after+1).Block()-1); ok {
		return found, nil
	}
	byID := make(map[id.RoomID]standing, len(all))
	ids := make([]id.RoomID, len(all))
	for i, x := range all {
		ids[i], byID[x.room] = x.room, x
	}
	ids, err := loadChanged(ctx, s.cfg.Pool, ids, after, upto)
	if err != nil {
		return nil, err
	}
	found := make([]standing, len(ids))
	for i, roomID := range ids {
		found[i] = byID[roomID]
	}
	return found, nil
}

// addJoined adds the joined rooms from their models.
func (s *Sync) addJoined(ctx context.Context, views []view, p position.Position, x renderer, body *response) error {
	if len(views) == 0 {
		return nil
	}
	ids := make([]id.RoomID, len(views))
	for i, v := range views {
		ids[i] = v.room
	}
	held := s.rooms.hold(ids)
	defer s.rooms.letGo(held)

	if err := s.catchUp(ctx, held, p); err != nil {
		return err
	}
	todo := make([]int, len(views))
	for i := range todo {
		todo[i] = i
	}
	for round := 0; len(todo) > 0; round++ {
		var again []int
		var shallow []*room
		for _, i := range todo {
			sel, ok, err := held[i].look(views[i], p, round >= maxDeepen)
			if err != nil {
				return err
			}
			if !ok {
				again, shallow = append(again, i), append(shallow, held[i])
				continue
			}
			if sel == nil || sel.isEmpty() && !views[i].full {
				continue
			}
			room, err := x.joined(sel)
			if err != nil {
				return err
			}
			body.Rooms.Join[views[i].room] = room
		}
		if round > maxDeepen && len(again) > 0 {
			return errStale // so much has happened above P that a run does not reach down to it
		}
		if len(shallow) > 0 {
			if err := s.deepen(ctx, shallow); err != nil {
				return err
			}
		}
		todo = again
	}
	return nil
}

// look selects from the room's model, which must be complete up to p. A room that does not exist gives nil.
func (r *room) look(v view, p position.Position, enough bool) (*selection, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.absent:
		return nil, true, nil
	case r.history == nil, r.inbox.lacks(p.Block()):
		return nil, false, errStale
	}
	sel, ok := r.history.look(v, enough)
	return sel, ok, nil
}

// strippedTypes is the state that those who are invited or knock see, besides their own membership.
var strippedTypes = []string{
	"m.room.create", "m.room.join_rules", "m.room.name", "m.room.topic", "m.room.avatar", "m.room.canonical_alias",
	"m.room.encryption",
}

// addStripped adds invites and knocks, with the state at the invite or knock.
func (s *Sync) addStripped(ctx context.Context, q *request, pl *plan, x renderer, body *response) error {
	places := slices.Concat(pl.invite, pl.knock)
	if len(places) == 0 {
		return nil
	}
	states, err := loadStatesAt(ctx, s.cfg.Pool, places, strippedTypes, q.who.UserID)
	if err != nil {
		return err
	}
	for i, p := range places {
		if i < len(pl.invite) {
			body.Rooms.Invite[p.room] = &invitedRoom{InviteState: x.stripped(states[i])}
		} else {
			body.Rooms.Knock[p.room] = &knockedRoom{KnockState: x.stripped(states[i])}
		}
	}
	return nil
}

// addLeft adds rooms as they were when the user left.
func (s *Sync) addLeft(ctx context.Context, views []view, x renderer, body *response) error {
	if len(views) == 0 {
		return nil
	}
	places := make([]place, len(views))
	for i, v := range views {
		places[i] = place{v.room, v.upto}
	}
	metricLoads.WithLabelValues("left_room").Add(float64(len(views)))
	found, err := loadHistoriesAt(ctx, s.cfg.Pool, places, max(loadRun, maxLimit+1))
	if err != nil {
		return err
	}
	for i, h := range found {
		if h == nil {
			continue
		}
		v := views[i]
		if !h.wasJoined(v.user) { // an invite refused, or a ban of someone outside: that, and nothing of the room
			v.outsider, v.full, v.after = true, false, v.upto-1
		}
		sel, ok := h.look(v, true)
		if !ok {
			continue
		}
		room, err := x.left(sel)
		if err != nil {
			return err
		}
		body.Rooms.Leave[v.room] = room
	}
	return nil
}

// wasJoined reports whether the user was joined before the last event, which is the leaving.
func (h *history) wasJoined(user id.UserID) bool {
	last := h.run[len(h.run)-1]
	return last.isMemberOf(user) && membershipOf(last.replaced) == "join"
}
