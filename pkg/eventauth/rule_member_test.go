package eventauth_test

import (
	"github.com/myelin-hs/myelin/pkg/event"
)

// checks is the case of an event by the room that usual makes.
func checks(make func(r *room) *event.Event) func(r *room) error {
	return func(r *room) error { return r.check(make(r)) }
}

// changes checks that sender makes target's membership so.
func changes(sender, target, membership string) func(r *room) error {
	return func(r *room) error { return r.check(r.change(sender, target, membership)) }
}

// after is a case in a room in which user has this membership before.
func after(user, membership string, then func(r *room) error) func(r *room) error {
	return func(r *room) error {
		r.member(user, membership)
		return then(r)
	}
}

// under is a case in a room with this join rule.
func under(joinRule string, then func(r *room) error) func(r *room) error {
	return func(r *room) error {
		r.joinRule(joinRule)
		return then(r)
	}
}

// firstJoin is user's join right after these events.
func (r *room) firstJoin(user string, prev ...string) *event.Event {
	return parse(r.t, r.v, fields{
		"room_id": r.create.RoomID(), "sender": user, "type": "m.room.member", "state_key": user,
		"content": fields{"membership": "join"}, "prev_events": prev,
	})
}

// authorisedJoin is carol's join, which via authorises and the server signs.
func (r *room) authorisedJoin(via, server string) *event.Event {
	return parse(r.t, r.v, fields{
		"room_id": r.create.RoomID(), "sender": carol, "type": "m.room.member", "state_key": carol,
		"content":    fields{"membership": "join", "join_authorised_via_users_server": via},
		"signatures": fields{server: fields{"ed25519:y": "AA"}},
	})
}

var (
	joins      = changes(carol, carol, "join")
	authorised = checks(func(r *room) *event.Event { return r.authorisedJoin(bob, "hs.example") })
)

var joinCases = []ruleCase{
	{rule: "member", says: "If type is `m.room.member`:"},
	{
		rule: "member.fields", says: "If there is no `state_key` property, or no `membership` property in `content`, reject.",
		accepts: changes(bob, bob, "leave"),
		refuses: checks(func(r *room) *event.Event { return r.event(bob, "m.room.member", bob, fields{}) }),
	},
	{rule: "member.authorised", says: "If `content` has a `join_authorised_via_users_server`"},
	{
		rule: "member.authorised.signature", says: "If the event is not validly signed by the homeserver of the user ID denoted by the key, reject.",
		accepts: under("restricted", authorised),
		refuses: under("restricted", checks(func(r *room) *event.Event { return r.authorisedJoin(bob, "other.example") })),
	},
	{rule: "member.join", says: "If `membership` is `join`:"},
	{
		rule: "member.join.creator", says: "If the only previous event is an `m.room.create` and the `state_key` is the", by: "member.join.invited",
		accepts: after(creator, "leave", checks(func(r *room) *event.Event { return r.firstJoin(creator, string(r.create.ID())) })),
		refuses: after(creator, "leave", checks(func(r *room) *event.Event { return r.firstJoin(creator, someEvent) })),
	},
	{
		rule: "member.join.other", says: "If the `sender` does not match `state_key`, reject.",
		accepts: under("public", joins),
		refuses: under("public", changes(creator, carol, "join")),
	},
	{
		rule: "member.join.banned", says: "If the `sender` is banned, reject.",
		accepts: under("public", joins),
		refuses: under("public", after(carol, "ban", joins)),
	},
	{
		rule: "member.join.invited", says: "If the `join_rule` is `invite` ",
		accepts: under("invite", after(carol, "invite", joins)),
		refuses: under("invite", joins),
	},
	{rule: "member.join.restricted", says: "If the `join_rule` is `restricted`:|If the `join_rule` is `restricted` or `knock_restricted`:"},
	{
		rule: "member.join.restricted.invited", says: "If membership state is `join` or `invite`, allow.", by: "member.join.restricted.authorised",
		accepts: under("restricted", after(carol, "invite", joins)),
		refuses: under("restricted", joins),
	},
	{
		rule: "member.join.restricted.authorised", says: "If the `join_authorised_via_users_server` key in `content` is not a user with sufficient permission",
		accepts: under("restricted", authorised),
		refuses: under("restricted", after(bob, "leave", authorised)),
	},
	{
		rule: "member.join.restricted.otherwise", says: "Otherwise, allow.", by: "member.join.restricted.authorised",
		accepts: under("restricted", authorised),
		refuses: under("restricted", func(r *room) error {
			r.levels(fields{"invite": 1})
			return authorised(r)
		}),
	},
	{
		rule: "member.join.public", says: "If the `join_rule` is `public`, allow.", by: "member.join.otherwise",
		accepts: under("public", joins),
		refuses: under("private", joins),
	},
	{
		rule: "member.join.otherwise", says: "Otherwise, reject.",
		accepts: under("public", after(carol, "invite", joins)),
		refuses: under("nobody knows", after(carol, "invite", joins)),
	},
}

// withLevels is a case in a room with these power levels.
func withLevels(content fields, then func(r *room) error) func(r *room) error {
	return func(r *room) error {
		r.levels(content)
		return then(r)
	}
}

var leaveCases = []ruleCase{
	{rule: "member.leave", says: "If `membership` is `leave`:"},
	{
		rule: "member.leave.self", says: "If the `sender` matches `state_key`, allow if and only if that user's current membership state is `invite`",
		accepts: after(carol, "invite", changes(carol, carol, "leave")),
		refuses: changes(carol, carol, "leave"),
	},
	{
		rule: "member.leave.sender", says: "If the `sender`'s current membership state is not `join`, reject.",
		accepts: changes(alice, bob, "leave"),
		refuses: after(alice, "leave", changes(alice, bob, "leave")),
	},
	{
		rule: "member.leave.banned", says: "If the target user's current membership state is `ban`, and the `sender`'s power level is less than the ban level",
		accepts: after(carol, "ban", changes(alice, carol, "leave")),
		refuses: after(carol, "ban", withLevels(fields{"ban": 51, "users": fields{alice: 50}}, changes(alice, carol, "leave"))),
	},
	{
		rule: "member.leave.level", says: "If the `sender`'s power level is greater than or equal to the kick level, and", by: "member.leave.otherwise",
		accepts: changes(alice, bob, "leave"),
		refuses: withLevels(fields{"users": fields{alice: 50, bob: 50}}, changes(alice, bob, "leave")),
	},
	{
		rule: "member.leave.otherwise", says: "Otherwise, reject.",
		accepts: changes(alice, bob, "leave"),
		refuses: withLevels(fields{"kick": 51, "users": fields{alice: 50}}, changes(alice, bob, "leave")),
	},
	{rule: "member.ban", says: "If `membership` is `ban`:"},
	{
		rule: "member.ban.sender", says: "If the `sender`'s current membership state is not `join`, reject.",
		accepts: changes(alice, carol, "ban"),
		refuses: after(alice, "leave", changes(alice, carol, "ban")),
	},
	{
		rule: "member.ban.level", says: "If the `sender`'s power level is greater than or equal to the ban level, and", by: "member.ban.otherwise",
		accepts: changes(alice, bob, "ban"),
		refuses: withLevels(fields{"users": fields{alice: 50, bob: 50}}, changes(alice, bob, "ban")),
	},
	{
		rule: "member.ban.otherwise", says: "Otherwise, reject.",
		accepts: changes(alice, bob, "ban"),
		refuses: withLevels(fields{"ban": 51, "users": fields{alice: 50}}, changes(alice, bob, "ban")),
	},
	{rule: "member.knock", says: "If `membership` is `knock`:"},
	{
		rule: "member.knock.join_rule", says: "If the `join_rule` is anything other than `knock`",
		accepts: under("knock", changes(carol, carol, "knock")),
		refuses: under("invite", changes(carol, carol, "knock")),
	},
	{
		rule: "member.knock.other", says: "If `sender` does not match `state_key`, reject.",
		accepts: under("knock", changes(carol, carol, "knock")),
		refuses: under("knock", changes(alice, carol, "knock")),
	},
	{
		rule: "member.knock.membership", says: "If the `sender`'s current membership is not `ban`, `invite`, or `join`, allow.", by: "member.knock.otherwise",
		accepts: under("knock", after(carol, "knock", changes(carol, carol, "knock"))),
		refuses: under("knock", after(carol, "invite", changes(carol, carol, "knock"))),
	},
	{
		rule: "member.knock.otherwise", says: "Otherwise, reject.",
		accepts: under("knock", changes(carol, carol, "knock")),
		refuses: under("knock", after(carol, "ban", changes(carol, carol, "knock"))),
	},
	{
		rule: "member.otherwise", says: "Otherwise, the membership is unknown. Reject.",
		accepts: changes(bob, bob, "leave"),
		refuses: changes(bob, bob, "odd"),
	},
}
