package clientapi

import (
	"context"
	"errors"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/store"
)

const (
	typeMember     = "m.room.member"
	typeVisibility = "m.room.history_visibility"

	membershipJoin   = "join"
	membershipInvite = "invite"

	visibilityShared        = "shared"
	visibilityJoined        = "joined"
	visibilityInvited       = "invited"
	visibilityWorldReadable = "world_readable"
)

// A view is what a user may read of a room: its state as of a position, and of the events up to there those that the
// history visibility lets this user see.
type view struct {
	room   store.Room
	user   id.UserID
	joined bool
	// upTo is where the view ends: store.Now, or where the user left.
	upTo position.Position
	// lastStay is where the user's last stay in the room ended: store.Now if joined, 0 if there was none.
	lastStay position.Position
}

// view decides what the user may read of the room (client-server API, "Room History Visibility"). The error is 403
// M_FORBIDDEN for a room that the user never was in and that is not world-readable now, or that is not there.
func (a *API) view(ctx context.Context, roomID id.RoomID, user id.UserID) (view, error) {
	forbidden := mxerr.Forbidden("You aren't a member of the room and weren't previously a member of the room.")
	room, m, err := a.store.Room(ctx, roomID, user)
	if errors.Is(err, store.ErrNoRoom) {
		return view{}, forbidden
	}
	if err != nil {
		return view{}, err
	}
	v := view{room: room, user: user, upTo: store.Now}
	if m.Membership == membershipJoin {
		v.joined, v.lastStay = true, store.Now
		return v, nil
	}
	left := false
	if m.Membership != "" {
		if v.lastStay, left, err = a.store.LeftAt(ctx, room, user); err != nil {
			return view{}, err
		}
	}
	rule, ok, err := a.store.StateEvent(ctx, room, typeVisibility, "", store.Now)
	if err != nil {
		return view{}, err
	}
	switch {
	case ok && ruleOf(rule) == visibilityWorldReadable: // anybody may look in
	case left:
		v.upTo = v.lastStay
	default:
		return view{}, forbidden
	}
	return v, nil
}

// A beholder says which events of a stretch of the room's history the user of a view may see.
type beholder struct {
	user     id.UserID
	lastStay position.Position
	// What the visibility and the user's membership were, newest first, back to one from before the stretch.
	rules, memberships []store.Event
}

// beholder prepares for the events given, which are all that the room has between the first and the last of them.
func (a *API) beholder(ctx context.Context, v view, events []store.Event) (beholder, error) {
	b := beholder{user: v.user, lastStay: v.lastStay}
	if len(events) == 0 {
		return b, nil
	}
	first, last := events[0].Position, events[len(events)-1].Position
	first, last = min(first, last), max(first, last)
	// Each change within the stretch is one of the events.
	limit := len(events) + 1
	var err error
	if b.rules, err = a.store.StateHistory(ctx, v.room, typeVisibility, "", first-1, last, limit); err != nil {
		return b, err
	}
	b.memberships, err = a.store.StateHistory(ctx, v.room, typeMember, string(v.user), first-1, last, limit)
	return b, err
}

func (b beholder) sees(e store.Event) bool {
	if b.allowed(e.Position, e.Position) {
		return true
	}
	// Who may see the state before the change, or the one after it, may see the change of the visibility or of the own
	// membership.
	if e.Type() == typeVisibility && e.StateKeyEquals("") || e.Type() == typeMember && e.StateKeyEquals(string(b.user)) {
		return b.allowed(e.Position-1, e.Position)
	}
	return false
}

// allowed applies the rules to an event at position at with the state as of asOf.
func (b beholder) allowed(asOf, at position.Position) bool {
	membership := ""
	if e, ok := newestAt(b.memberships, asOf); ok {
		membership = e.Membership()
	}
	rule := visibilityShared
	if e, ok := newestAt(b.rules, asOf); ok {
		rule = ruleOf(e)
	}
	joinedLater := at < b.lastStay
	switch {
	case rule == visibilityWorldReadable, membership == membershipJoin:
		return true
	case rule == visibilityInvited:
		return membership == membershipInvite && joinedLater
	case rule == visibilityJoined:
		return false
	}
	return joinedLater
}

func newestAt(newestFirst []store.Event, at position.Position) (store.Event, bool) {
	for _, e := range newestFirst {
		if e.Position <= at {
			return e, true
		}
	}
	return store.Event{}, false
}

// ruleOf returns the visibility that an m.room.history_visibility sets; what is not understood is shared.
func ruleOf(e store.Event) string {
	raw, _ := canonicaljson.Get(e.Content(), "history_visibility")
	switch rule, _ := canonicaljson.String(raw); rule {
	case visibilityWorldReadable, visibilityInvited, visibilityJoined:
		return rule
	}
	return visibilityShared
}
