package eventauth_test

import (
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// newCreate makes a create event with changes to its fields and to its content.
func (r *room) newCreate(change, content fields) *event.Event {
	f := createFields(r.v, "!new:hs.example", content)
	for key, value := range change {
		f[key] = value
	}
	return parse(r.t, r.v, f)
}

func acceptsCreate(r *room) error { return r.check(r.newCreate(nil, nil)) }

var createCases = []ruleCase{
	{rule: "create", says: "If type is `m.room.create`:"},
	{
		rule: "create.prev_events", says: "If it has any `prev_events`, reject.",
		accepts: acceptsCreate,
		refuses: func(r *room) error { return r.check(r.newCreate(fields{"prev_events": []string{someEvent}}, nil)) },
	},
	{
		rule: "create.domain", says: "If the domain of the `room_id` does not match the domain of the `sender`, reject.",
		accepts: acceptsCreate,
		refuses: func(r *room) error { return r.check(r.newCreate(fields{"room_id": "!new:other.example"}, nil)) },
	},
	{
		rule: "create.room_id", says: "If the event has a `room_id`, reject.",
		accepts: acceptsCreate,
		refuses: func(r *room) error { return r.check(r.newCreate(fields{"room_id": string(r.create.RoomID())}, nil)) },
	},
	{
		rule: "create.version", says: "If `content.room_version` is present and is not a recognised version, reject.",
		accepts: func(r *room) error { return r.check(r.newCreate(nil, fields{"room_version": nil})) },
		refuses: func(r *room) error { return r.check(r.newCreate(nil, fields{"room_version": "nope"})) },
	},
	{
		rule: "create.creator", says: "If `content` has no `creator` property, reject.",
		accepts: acceptsCreate,
		refuses: func(r *room) error { return r.check(r.newCreate(nil, fields{"creator": nil})) },
	},
	{
		rule: "create.additional_creators", says: "If `additional_creators` is present in `content` and is not an array of strings",
		accepts: func(r *room) error { return r.check(r.newCreate(nil, fields{"additional_creators": []string{co}})) },
		refuses: func(r *room) error { return r.check(r.newCreate(nil, fields{"additional_creators": []string{"co"}})) },
	},
	{
		rule: "create.otherwise", says: "Otherwise, allow.", by: "create.prev_events",
		accepts: acceptsCreate,
		refuses: func(r *room) error { return r.check(r.newCreate(fields{"prev_events": []string{someEvent}}, nil)) },
	},
	{
		rule: "room", says: "If the event's `room_id` is not an event ID for an accepted",
		accepts: func(r *room) error { return r.check(r.message(bob)) },
		refuses: func(r *room) error {
			delete(r.state, eventauth.StateKeyTuple{Type: "m.room.create"})
			return r.check(r.message(bob))
		},
	},
}

// authEvents are those that a message of bob has.
func (r *room) authEvents() []*event.Event {
	auth := []*event.Event{r.state.Event("m.room.power_levels", ""), r.state.Event("m.room.member", bob)}
	if r.v.CreateInAuthEvents {
		auth = append(auth, r.create)
	}
	return auth
}

func acceptsAuthEvents(r *room) error { return r.checkAuth(r.message(bob), r.authEvents()...) }

var authEventsCases = []ruleCase{
	{rule: "auth_events", says: "Considering the event's `auth_events`:"},
	{
		rule: "auth_events.duplicate", says: "If there are duplicate entries for a given `type` and `state_key` pair, reject.",
		accepts: acceptsAuthEvents,
		refuses: func(r *room) error {
			return r.checkAuth(r.message(bob), append(r.authEvents(), r.newLevels(creator, fields{}))...)
		},
	},
	{
		rule: "auth_events.selection", says: "If there are entries whose `type` and `state_key` don't match those specified by the auth events selection",
		accepts: acceptsAuthEvents,
		refuses: func(r *room) error {
			return r.checkAuth(r.message(bob), append(r.authEvents(), r.state.Event("m.room.member", alice))...)
		},
	},
	{
		rule: "auth_events.rejected", says: "If there are entries which were themselves rejected",
		accepts: acceptsAuthEvents,
		refuses: func(r *room) error {
			levels := r.state.Event("m.room.power_levels", "").ID()
			return eventauth.CheckAuthEvents(r.v, r.message(bob), r.authEvents(), func(e id.EventID) bool { return e == levels })
		},
	},
	{
		rule: "auth_events.create", says: "If there is no `m.room.create` event among the entries, reject.",
		accepts: acceptsAuthEvents,
		refuses: func(r *room) error { return r.checkAuth(r.message(bob), r.authEvents()[:2]...) },
	},
	{
		rule: "auth_events.room", says: "If any event in `auth_events` has a `room_id` which does not match",
		accepts: acceptsAuthEvents,
		refuses: func(r *room) error {
			another := newRoomWithID(r.t, r.v, "!another:hs.example", fields{"another": true})
			another.levels(fields{})
			return r.checkAuth(r.message(bob), append(r.authEvents()[1:], another.state.Event("m.room.power_levels", ""))...)
		},
	},
}

var roomCases = []ruleCase{
	{
		rule: "federation", says: "If the `content` of the `m.room.create` event in the room state has the property `m.federate` set to `false`",
		accepts: func(r *room) error {
			closed := newRoom(r.t, r.v, fields{"m.federate": false})
			closed.member(alice, "join")
			return closed.check(closed.message(alice))
		},
		refuses: func(r *room) error {
			closed := newRoom(r.t, r.v, fields{"m.federate": false})
			closed.member(remote, "join")
			return closed.check(closed.message(remote))
		},
	},
	{rule: "aliases", says: "If type is `m.room.aliases`:"},
	{
		rule: "aliases.state_key", says: "If event has no `state_key`, reject.",
		accepts: acceptsAliases,
		refuses: func(r *room) error { return r.check(r.event(alice, "m.room.aliases", nil, fields{})) },
	},
	{
		rule: "aliases.domain", says: "If sender's domain doesn't match `state_key`, reject.",
		accepts: acceptsAliases,
		refuses: func(r *room) error { return r.check(r.event(alice, "m.room.aliases", "other.example", fields{})) },
	},
	{
		// Not even a member is asked for.
		rule: "aliases.otherwise", says: "Otherwise, allow.", by: "aliases.domain",
		accepts: acceptsAliases,
		refuses: func(r *room) error { return r.check(r.event(carol, "m.room.aliases", "", fields{})) },
	},
}

func acceptsAliases(r *room) error {
	return r.check(r.event(carol, "m.room.aliases", "hs.example", fields{}))
}
