package persister

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// A membership is a change of one user's membership, as the endpoints of "Room membership" ask for it (client-server
// API). The authorisation rules have the last word; what is decided here is what the endpoints add to them.
type membership struct {
	sender, target id.UserID
	profile        profile // of the target, for join and invite
	reason         string
}

// content returns the content of the member event, canonical.
func (m membership) content(membership string, extra map[string]string) json.RawMessage {
	fields := map[string]string{"membership": membership}
	if m.reason != "" {
		fields["reason"] = m.reason
	}
	if m.profile.displayName != nil {
		fields["displayname"] = *m.profile.displayName
	}
	if m.profile.avatarURL != nil {
		fields["avatar_url"] = *m.profile.avatarURL
	}
	for k, v := range extra {
		fields[k] = v
	}
	raw, err := canonicaljson.Encode(fields)
	if err != nil {
		// Strings that are not UTF-8: Build refuses the event in words that a client can read.
		return json.RawMessage(fmt.Sprintf("%q", err.Error()))
	}
	return raw
}

func (m membership) proto(content json.RawMessage) decision {
	target := string(m.target)
	return decision{add: []event.Proto{{Sender: m.sender, Type: "m.room.member", StateKey: &target, Content: content}}}
}

// A needsMembership is no answer yet: the room admits the members of others, which are not this actor's to know.
type needsMembership struct{ rooms []string }

func (*needsMembership) Error() string { return "the room admits members of other rooms" }

// join decides on a join. admitted: the user has joined a room that a restricted room admits members of.
func (m membership) join(admitted bool) decider {
	return func(r *room) (decision, error) {
		if !r.exists() {
			return decision{}, mxerr.NotFound("No such room")
		}
		is, was := r.membership(m.target)
		if is == "join" {
			return decision{existing: was.ID()}, nil
		}
		rules := r.joinRules()
		if is == "invite" || !rules.admits {
			return m.proto(m.content("join", nil)), nil
		}
		if !admitted {
			return decision{}, &needsMembership{rules.allow}
		}
		via, ok := r.inviter()
		if !ok {
			return decision{}, mxerr.Newf(400, "M_UNABLE_TO_GRANT_JOIN", "Nobody on this server may let you into the room")
		}
		return m.proto(m.content("join", map[string]string{"join_authorised_via_users_server": string(via)})), nil
	}
}

// knock decides on asking to be let in.
func (m membership) knock() decider {
	return func(r *room) (decision, error) {
		if !r.exists() {
			return decision{}, mxerr.NotFound("No such room")
		}
		if is, was := r.membership(m.target); is == "knock" {
			return decision{existing: was.ID()}, nil
		}
		return m.proto(m.content("knock", nil)), nil
	}
}

func (m membership) invite() decider {
	return func(r *room) (decision, error) {
		if !r.exists() {
			return decision{}, notIn()
		}
		content := m.content("invite", nil)
		if is, was := r.membership(m.target); is == "invite" && was.Sender() == m.sender && bytes.Equal(was.Content(), content) {
			return decision{existing: was.ID()}, nil
		}
		return m.proto(content), nil
	}
}

// leave decides on leaving a room and on rejecting an invite.
func (m membership) leave() decider {
	return func(r *room) (decision, error) {
		if !r.exists() {
			return decision{}, notIn()
		}
		if is, was := r.membership(m.target); is == "leave" && was != nil {
			return decision{existing: was.ID()}, nil
		}
		return m.proto(m.content("leave", nil)), nil
	}
}

func (m membership) kick() decider {
	return func(r *room) (decision, error) {
		if mine, _ := r.membership(m.sender); !r.exists() || mine != "join" {
			return decision{}, notIn()
		}
		switch is, _ := r.membership(m.target); is {
		case "join", "invite", "knock":
			return m.proto(m.content("leave", nil)), nil
		default:
			return decision{}, mxerr.Forbidden("The user is not in the room")
		}
	}
}

func (m membership) ban() decider {
	return func(r *room) (decision, error) {
		if mine, _ := r.membership(m.sender); !r.exists() || mine != "join" {
			return decision{}, notIn()
		}
		content := m.content("ban", nil)
		if is, was := r.membership(m.target); is == "ban" && bytes.Equal(was.Content(), content) {
			return decision{existing: was.ID()}, nil
		}
		return m.proto(content), nil
	}
}

func (m membership) unban() decider {
	return func(r *room) (decision, error) {
		if mine, _ := r.membership(m.sender); !r.exists() || mine != "join" {
			return decision{}, notIn()
		}
		if is, _ := r.membership(m.target); is != "ban" {
			return decision{}, mxerr.BadState("The user is not banned")
		}
		return m.proto(m.content("leave", nil)), nil
	}
}

// joinRules are who may join without being invited.
type joinRules struct {
	admits bool     // members of others
	allow  []string // ids of the rooms whose members are admitted
}

func (r *room) joinRules() joinRules {
	var rules joinRules
	is := r.state.at("m.room.join_rules", "")
	if is == nil {
		return rules
	}
	raw, _ := canonicaljson.Get(is.Content(), "join_rule")
	rule, _ := canonicaljson.String(raw)
	rules.admits = rule == "restricted" && r.version.RestrictedJoins || rule == "knock_restricted" && r.version.KnockRestricted
	allow, _ := canonicaljson.Get(is.Content(), "allow")
	for condition := range canonicaljson.Elements(allow) {
		kind, _ := canonicaljson.Get(condition, "type")
		room, _ := canonicaljson.Get(condition, "room_id")
		if k, _ := canonicaljson.String(kind); k != "m.room_membership" {
			continue
		}
		if roomID, ok := canonicaljson.String(room); ok {
			rules.allow = append(rules.allow, roomID)
		}
	}
	return rules
}

// inviter returns a user of this server, which is everybody while there is no federation, who may invite: the sender of
// the create event rather than another.
func (r *room) inviter() (id.UserID, bool) {
	create := r.state.at("m.room.create", "")
	if r.mayInvite(create.Sender()) {
		return create.Sender(), true
	}
	for _, f := range r.state {
		user := id.UserID(f.place().StateKey)
		if f.place().Type == "m.room.member" && user.ServerName() == create.Sender().ServerName() && r.mayInvite(user) {
			return user, true
		}
	}
	return "", false
}

func (r *room) mayInvite(user id.UserID) bool {
	is, _ := r.membership(user)
	levels := r.PowerLevels()
	return is == "join" && levels.User(user) >= levels.Invite
}
