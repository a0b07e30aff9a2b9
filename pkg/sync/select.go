package sync

import (
	"slices"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

// A view says what part of a room one answer shows.
type view struct {
	user        id.UserID
	room        id.RoomID
	after, upto position.Position // the timeline is from (after, upto]
	full        bool              // all state, not only what changed after
	gap         bool              // the timeline does not join up with what the client has
	guarded     bool              // the user was not joined all the time: look at each event's visibility
	outsider    bool              // the user never was in: no state
	filter      *filter
}

// A selection is what a view shows.
type selection struct {
	timeline []*entry
	limited  bool
	start    position.Position // state is that before this position
	state    []*entry
	summary  *summary
}

func (x *selection) isEmpty() bool {
	return len(x.timeline) == 0 && len(x.state) == 0 && x.summary == nil && !x.limited
}

// look selects what the view shows of a history. It returns false if the run would have to reach further back; with
// enough set it makes do with the run, as long as that reaches back to upto.
func (h *history) look(v view, enough bool) (*selection, bool) {
	if h.from > v.upto {
		return nil, false
	}
	x := &selection{limited: v.gap}
	part := h.between(v.after, v.upto)
	var visible map[position.Position]bool
	if v.guarded && len(part) > 0 {
		visible = h.visibleFrom(v.user, part[0].position)
	}
	limit, full := v.filter.limit(), false
	for i := len(part) - 1; i >= 0 && !full; i-- {
		e := part[i]
		switch {
		case v.guarded && !visible[e.position], !v.filter.Room.Timeline.wants(e, v.room):
		case len(x.timeline) == limit:
			x.limited, full = true, true
		default:
			x.timeline = append(x.timeline, e)
		}
	}
	if !full && h.from > v.after {
		if !enough {
			return nil, false
		}
		x.limited = true
	}
	slices.Reverse(x.timeline)
	x.start = v.upto + 1
	if len(x.timeline) > 0 {
		x.start = x.timeline[0].position
	}
	if !v.outsider {
		x.state = h.stateOf(v, x, part)
	}
	if v.full || slices.ContainsFunc(part, func(e *entry) bool { _, ok := e.StateKey(); return ok && e.Type() == typeMember }) {
		x.summary = h.summary(v.user)
	}
	return x, true
}

// stateOf selects the state before the timeline: all of it, or what changed after v.after; and state events that the
// timeline leaves out.
func (h *history) stateOf(v view, x *selection, part []*entry) []*entry {
	back := h.before(x.start)
	chosen := map[stateKey]*entry{}
	choose := func(e *entry) {
		if k, ok := e.stateKey(); ok {
			chosen[k] = e
		}
	}
	switch {
	case v.full:
		back.all(func(e *entry) bool { choose(e); return true })
	case h.from <= v.after: // what changed is in the run
		for _, e := range part {
			if e.position < x.start {
				choose(e)
			}
		}
	default:
		back.all(func(e *entry) bool {
			if e.position > v.after {
				choose(e)
			}
			return true
		})
	}
	senders := map[id.UserID]struct{}{}
	for _, e := range x.timeline {
		senders[e.Sender()] = struct{}{}
	}
	shown := x.timeline
	for _, e := range part {
		switch {
		case e.position < x.start:
		case len(shown) > 0 && shown[0] == e:
			shown = shown[1:]
		default:
			choose(e)
		}
	}
	lazy := v.filter.Room.State.LazyLoadMembers
	if lazy {
		for sender := range senders {
			if e := back.get(stateKey{typeMember, string(sender)}); e != nil && chosen[stateKey{typeMember, string(sender)}] == nil {
				choose(e)
			}
		}
	}
	var state []*entry
	for k, e := range chosen {
		if lazy && k.typ == typeMember && k.key != string(v.user) {
			if _, ok := senders[id.UserID(k.key)]; !ok {
				continue
			}
		}
		if v.filter.Room.State.wants(e, v.room) {
			state = append(state, e)
		}
	}
	slices.SortFunc(state, func(a, b *entry) int { return int(a.position - b.position) })
	return state
}

// summary counts the members; a room without a name has heroes.
func (h *history) summary(user id.UserID) *summary {
	s := &summary{Joined: h.joined, Invited: h.invited}
	if !h.has("m.room.name", "name") && !h.has("m.room.canonical_alias", "alias") {
		s.Heroes = h.heroes(user)
	}
	return s
}
