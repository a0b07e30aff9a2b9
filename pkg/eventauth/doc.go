// Package eventauth decides whether an event is allowed in its room: the authorisation rules of the room version
// pages, as pure functions of an event and of the state it is checked against.
//
// [Check] holds the rules that look at state, [CheckAuthEvents] the rule about auth_events, [AuthTypesFor] says which
// state goes into auth_events. A refusal is a [*Rejection] that names its rule.
//
// Room versions differ by the properties of [event.Version]. Code calls rules by their names, which all versions share;
// the outline in rule.go knows which number a rule has on each version's page.
package eventauth

import (
	"encoding/json"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A State is a room's state, or the part of it that the rules look at.
type State interface {
	// Fact returns what the state has for this type and state key, nil if nothing.
	Fact(evType, stateKey string) Fact
}

// A Fact is what is read of an event that is part of a state: less than a [*event.Event], which is one, and so less to
// remember for who holds the state of many rooms.
type Fact interface {
	ID() id.EventID
	RoomID() id.RoomID
	Sender() id.UserID
	// Content is a canonical JSON object.
	Content() json.RawMessage
	// Membership is that of an m.room.member, "" for other types.
	Membership() string
}

// A LevelsState is a State that keeps its power levels parsed, as the owner of a room does, so that checking a message
// parses nothing. They must be those of [LevelsOf].
type LevelsState interface {
	State
	PowerLevels() *PowerLevels
}

// FactOf returns ev as a Fact: nil, not one that holds a nil pointer, if ev is nil.
func FactOf(ev *event.Event) Fact {
	if ev == nil {
		return nil
	}
	return ev
}

// A StateKeyTuple names a place in a room's state.
type StateKeyTuple struct{ Type, StateKey string }

// A MapState is a State made of a map.
type MapState map[StateKeyTuple]*event.Event

// Event returns the state event of this type and state key, nil if there is none.
func (m MapState) Event(evType, stateKey string) *event.Event {
	return m[StateKeyTuple{evType, stateKey}]
}

// Fact makes a MapState a [State].
func (m MapState) Fact(evType, stateKey string) Fact { return FactOf(m.Event(evType, stateKey)) }

// Types of events that the rules treat by themselves.
const (
	typeCreate           = "m.room.create"
	typeMember           = "m.room.member"
	typePowerLevels      = "m.room.power_levels"
	typeJoinRules        = "m.room.join_rules"
	typeThirdPartyInvite = "m.room.third_party_invite"
	typeAliases          = "m.room.aliases"
	typeRedaction        = "m.room.redaction"
)

// Memberships. A user without a member event has membership "leave".
const (
	join   = "join"
	invite = "invite"
	leave  = "leave"
	ban    = "ban"
	knock  = "knock"
)

// membershipOf returns the membership of a user in the state, "leave" if there is none.
func membershipOf(state State, user id.UserID) string {
	if ev := state.Fact(typeMember, string(user)); ev != nil {
		return ev.Membership()
	}
	return leave
}
