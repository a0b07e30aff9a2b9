package pushrules

import "github.com/myelin-hs/myelin/pkg/id"

// The order of both lists is their order in the specification, v1.17: it is the order of priority.

func override(user id.UserID) []Rule {
	master := rule(".m.rule.master", all())
	master.Enabled = false
	return []Rule{
		master,
		rule(".m.rule.suppress_notices", all(match("content.msgtype", "m.notice"))),
		rule(".m.rule.invite_for_me",
			all(match("type", "m.room.member"), match("content.membership", "invite"), match("state_key", string(user))),
			"notify", sound("default")),
		rule(".m.rule.member_event", all(match("type", "m.room.member"))),
		rule(".m.rule.is_user_mention",
			all(Condition{Kind: "event_property_contains", Key: `content.m\.mentions.user_ids`, Value: string(user)}),
			"notify", sound("default"), highlight()),
		rule(".m.rule.is_room_mention",
			all(Condition{Kind: "event_property_is", Key: `content.m\.mentions.room`, Value: true},
				Condition{Kind: "sender_notification_permission", Key: "room"}),
			"notify", highlight()),
		rule(".m.rule.tombstone", all(match("type", "m.room.tombstone"), match("state_key", "")), "notify", highlight()),
		rule(".m.rule.reaction", all(match("type", "m.reaction"))),
		rule(".m.rule.room.server_acl", all(match("type", "m.room.server_acl"), match("state_key", ""))),
		rule(".m.rule.suppress_edits",
			all(Condition{Kind: "event_property_is", Key: `content.m\.relates_to.rel_type`, Value: "m.replace"})),
	}
}

func underride() []Rule {
	twoMembers := Condition{Kind: "room_member_count", Is: "2"}
	return []Rule{
		rule(".m.rule.call", all(match("type", "m.call.invite")), "notify", sound("ring")),
		rule(".m.rule.encrypted_room_one_to_one", all(twoMembers, match("type", "m.room.encrypted")),
			"notify", sound("default")),
		rule(".m.rule.room_one_to_one", all(twoMembers, match("type", "m.room.message")), "notify", sound("default")),
		rule(".m.rule.message", all(match("type", "m.room.message")), "notify"),
		rule(".m.rule.encrypted", all(match("type", "m.room.encrypted")), "notify"),
	}
}

func rule(ruleID string, conditions []Condition, actions ...Action) Rule {
	if actions == nil {
		actions = []Action{}
	}
	return Rule{RuleID: ruleID, Default: true, Enabled: true, Conditions: conditions, Actions: actions}
}

func all(conditions ...Condition) []Condition {
	if conditions == nil {
		return []Condition{}
	}
	return conditions
}

func match(key, pattern string) Condition {
	return Condition{Kind: "event_match", Key: key, Pattern: &pattern}
}

func sound(name string) Tweak { return Tweak{SetTweak: "sound", Value: name} }

func highlight() Tweak { return Tweak{SetTweak: "highlight"} }
