package eventauth_test

import "github.com/myelin-hs/myelin/pkg/event"

var messageCases = []ruleCase{
	{
		rule: "sender", says: "If the `sender`'s current membership state is not `join`, reject.",
		accepts: checks(func(r *room) *event.Event { return r.message(bob) }),
		refuses: checks(func(r *room) *event.Event { return r.message(carol) }),
	},
	{rule: "third_party_invite", says: "If type is `m.room.third_party_invite`:"},
	{
		rule: "third_party_invite.level", says: "Allow if and only if `sender`'s current power level is greater than or equal to the invite level.",
		accepts: checks(func(r *room) *event.Event { return r.event(bob, "m.room.third_party_invite", "token", fields{}) }),
		refuses: withLevels(fields{"invite": 1}, checks(func(r *room) *event.Event { return r.event(bob, "m.room.third_party_invite", "token", fields{}) })),
	},
	{
		rule: "required_level", says: "If the event type's required power level is greater than the `sender`'s power level, reject.",
		accepts: checks(func(r *room) *event.Event { return r.event(alice, "m.room.name", "", fields{}) }),
		refuses: checks(func(r *room) *event.Event { return r.event(bob, "m.room.name", "", fields{}) }),
	},
	{
		rule: "state_key", says: "If the event has a `state_key` that starts with an `@` and does not match the `sender`, reject.",
		accepts: checks(func(r *room) *event.Event { return r.event(alice, "org.example.own", alice, fields{}) }),
		refuses: checks(func(r *room) *event.Event { return r.event(alice, "org.example.own", bob, fields{}) }),
	},
}

// setting is a case of alice, who has 50, changing the power levels.
func setting(before, now fields) func(r *room) error {
	return func(r *room) error {
		levels := fields{"users": fields{alice: 50}}
		for key, value := range before {
			levels[key] = value
		}
		r.levels(levels)
		for key, value := range now {
			levels[key] = value
		}
		return r.check(r.newLevels(alice, levels))
	}
}

var powerLevelsCases = []ruleCase{
	{rule: "power_levels", says: "If type is `m.room.power_levels`:"},
	{
		rule: "power_levels.singles", says: "If any of the properties `users_default`, `events_default`, `state_default`, `ban`, `redact`, `kick`, or `invite` in `content` are present and not an integer",
		accepts: setting(nil, fields{"ban": 40}),
		refuses: setting(nil, fields{"ban": "40"}),
	},
	{
		rule: "power_levels.maps", says: "If either of the properties `events` or `notifications` in `content` are present and not an object with values that are integers",
		accepts: setting(nil, fields{"events": fields{"m.room.name": 40}}),
		refuses: setting(nil, fields{"events": fields{"m.room.name": "40"}}),
	},
	{
		rule: "power_levels.users", says: "If the `users` property in `content` is not an object with keys that are valid user IDs with values that are integers|If `users` property in `content` is not an object with keys that are valid user IDs",
		accepts: setting(nil, fields{"users": fields{alice: 50, bob: 40}}),
		refuses: setting(nil, fields{"users": fields{alice: 50, bob: "high"}}),
	},
	{
		rule: "power_levels.creators", says: "If the `users` property in `content` contains the `sender` of the `m.room.create` event",
		accepts: setting(nil, fields{"users": fields{alice: 50, bob: 40}}),
		refuses: setting(nil, fields{"users": fields{alice: 50, creator: 40}}),
	},
	{
		rule: "power_levels.first", says: "If there is no previous `m.room.power_levels` event in the room, allow.", by: "power_levels.user_new.level",
		accepts: func(r *room) error {
			first := newRoom(r.t, r.v, nil)
			return first.check(first.newLevels(creator, fields{"users": fields{alice: 200}, "ban": 200}))
		},
		refuses: func(r *room) error { return r.check(r.newLevels(alice, fields{"users": fields{alice: 200}})) },
	},
	{rule: "power_levels.single", says: "For the properties `users_default`, `events_default`, `state_default`, `ban`, `redact`, `kick`, `invite` check if they were added"},
	{
		rule: "power_levels.single.current", says: "If the current value is greater than the `sender`'s current power level, reject.|If the current value is higher than the",
		accepts: setting(fields{"ban": 50}, fields{"ban": 10}),
		refuses: setting(fields{"ban": 51}, fields{"ban": 10}),
	},
	{
		rule: "power_levels.single.new", says: "If the new value is greater than the `sender`'s current power level, reject.|If the new value is higher than the",
		accepts: setting(fields{"ban": 10}, fields{"ban": 50}),
		refuses: setting(fields{"ban": 10}, fields{"ban": 51}),
	},
	{rule: "power_levels.map_current", says: "For each entry being changed in, or removed from, the `events` "},
	{
		rule: "power_levels.map_current.level", says: "If the current value is greater than the `sender`'s current power level, reject.",
		accepts: setting(fields{"events": fields{"a": 50}}, fields{"events": fields{}}),
		refuses: setting(fields{"events": fields{"a": 51}}, fields{"events": fields{}}),
	},
	{rule: "power_levels.map_new", says: "For each entry being added to, or changed in, the `events` |For each entry being added to, or changed in the `events` "},
	{
		rule: "power_levels.map_new.level", says: "If the new value is greater than the `sender`'s current power level, reject.",
		accepts: setting(nil, fields{"events": fields{"a": 50}}),
		refuses: setting(nil, fields{"events": fields{"a": 51}}),
	},
	{rule: "power_levels.user_current", says: "For each entry being changed in, or removed from, the `users` property, other than the `sender`'s own entry:"},
	{
		rule: "power_levels.user_current.level", says: "If the current value is greater than or equal to the `sender`'s current power level, reject.",
		accepts: setting(fields{"users": fields{alice: 50, bob: 49}}, fields{"users": fields{alice: 49}}),
		refuses: setting(fields{"users": fields{alice: 50, bob: 50}}, fields{"users": fields{alice: 50}}),
	},
	{rule: "power_levels.user_new", says: "For each entry being added to, or changed in, the `users` property:"},
	{
		rule: "power_levels.user_new.level", says: "If the new value is greater than the `sender`'s current power level, reject.",
		accepts: setting(nil, fields{"users": fields{alice: 50, bob: 50}}),
		refuses: setting(nil, fields{"users": fields{alice: 50, bob: 51}}),
	},
	{
		rule: "power_levels.otherwise", says: "Otherwise, allow.", by: "power_levels.user_new.level",
		accepts: setting(nil, nil),
		refuses: setting(nil, fields{"users": fields{alice: 51}}),
	},
}

// redacts is a case of bob, who has 0, redacting an event of this server.
func redacts(server string) func(r *room) error {
	return func(r *room) error {
		f := fields{"room_id": r.create.RoomID(), "sender": bob, "type": "m.room.redaction", "redacts": "$1:" + server}
		return r.check(parse(r.t, r.v, f))
	}
}

var lastCases = []ruleCase{
	{rule: "redaction", says: "If type is `m.room.redaction`:"},
	{
		rule: "redaction.level", says: "If the `sender`'s power level is greater than or equal to the redact level, allow.", by: "redaction.otherwise",
		accepts: withLevels(fields{"redact": 1, "users": fields{bob: 1}}, redacts("other.example")),
		refuses: withLevels(fields{"redact": 2, "users": fields{bob: 1}}, redacts("other.example")),
	},
	{
		rule: "redaction.domain", says: "If the domain of the `event_id` of the event being redacted is the same as the domain of the `event_id` of the", by: "redaction.otherwise",
		accepts: redacts("hs.example"),
		refuses: redacts("hs.example:8448"),
	},
	{
		rule: "redaction.otherwise", says: "Otherwise, reject.",
		accepts: redacts("hs.example"),
		refuses: redacts("other.example"),
	},
	{
		rule: "otherwise", says: "Otherwise, allow.", by: "required_level",
		accepts: checks(func(r *room) *event.Event { return r.event(alice, "org.example.state", "", fields{}) }),
		refuses: checks(func(r *room) *event.Event { return r.event(bob, "org.example.state", "", fields{}) }),
	},
}
