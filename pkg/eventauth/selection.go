package eventauth

import (
	"encoding/json"
	"slices"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// AuthTypesFor returns the places in the room's state whose events, where there are any, are to be the auth_events of
// an event with these fields (server-server API, "Auth events selection"). stateKey is nil for a message event.
func AuthTypesFor(v *event.Version, evType string, sender id.UserID, stateKey *string, content json.RawMessage) []StateKeyTuple {
	if evType == typeCreate {
		return nil
	}
	tuples := make([]StateKeyTuple, 0, 7)
	if v.CreateInAuthEvents {
		tuples = append(tuples, StateKeyTuple{typeCreate, ""})
	}
	tuples = append(tuples, StateKeyTuple{typePowerLevels, ""}, StateKeyTuple{typeMember, string(sender)})
	if evType != typeMember || stateKey == nil {
		return tuples
	}
	if *stateKey != string(sender) {
		tuples = append(tuples, StateKeyTuple{typeMember, *stateKey})
	}
	membership := text(content, "membership")
	switch membership {
	case join, invite, knock:
		tuples = append(tuples, StateKeyTuple{typeJoinRules, ""})
	}
	if membership == invite {
		if token, ok := lookupText(content, "third_party_invite", "signed", "token"); ok {
			tuples = append(tuples, StateKeyTuple{typeThirdPartyInvite, token})
		}
	}
	if membership == join && v.RestrictedJoins {
		if user, ok := lookupText(content, "join_authorised_via_users_server"); ok && user != string(sender) && user != *stateKey {
			tuples = append(tuples, StateKeyTuple{typeMember, user})
		}
	}
	return tuples
}

// SelectAuthEvents returns the ids of the auth_events that [AuthTypesFor] finds in the state.
func SelectAuthEvents(v *event.Version, p *event.Proto, state State) []id.EventID {
	tuples := AuthTypesFor(v, p.Type, p.Sender, p.StateKey, p.Content)
	ids := make([]id.EventID, 0, len(tuples))
	for _, t := range tuples {
		if ev := state.Fact(t.Type, t.StateKey); ev != nil {
			ids = append(ids, ev.ID())
		}
	}
	return ids
}

// CheckAuthEvents holds the rules about ev's auth_events, given with all of them found: they must be what the selection
// allows, each place once, none rejected, all of the same room, and have the create event where the version wants it.
// rejected may be nil if no rejected events are kept. A create event may have any: what the rules about it allow is
// allowed.
func CheckAuthEvents(v *event.Version, ev *event.Event, authEvents []*event.Event, rejected func(id.EventID) bool) error {
	if ev.Type() == typeCreate {
		return nil
	}
	var stateKey *string
	if key, ok := ev.StateKey(); ok {
		stateKey = &key
	}
	allowed := AuthTypesFor(v, ev.Type(), ev.Sender(), stateKey, ev.Content())
	seen := make(map[StateKeyTuple]bool, len(authEvents))
	haveCreate := false
	for _, auth := range authEvents {
		key, isState := auth.StateKey()
		tuple := StateKeyTuple{auth.Type(), key}
		switch {
		case seen[tuple]:
			return reject(v, authDuplicate, "auth_events has two events of type "+tuple.Type+" and the same state key")
		case !isState || !slices.Contains(allowed, tuple):
			return reject(v, authSelection, "auth_events has an event of type "+tuple.Type+" that gives no permission to this one")
		case rejected != nil && rejected(auth.ID()):
			return reject(v, authRejected, "auth_events has a rejected event")
		case auth.RoomID() != ev.RoomID():
			return reject(v, authRoom, "auth_events has an event of another room")
		}
		seen[tuple] = true
		haveCreate = haveCreate || auth.IsCreate()
	}
	if v.CreateInAuthEvents && !haveCreate {
		return reject(v, authCreate, "auth_events has no create event")
	}
	return nil
}

// text returns a string within content, "" if it is not there or not a string.
func text(content json.RawMessage, path ...string) string {
	s, _ := lookupText(content, path...)
	return s
}

func lookupText(content json.RawMessage, path ...string) (string, bool) {
	raw, ok := canonicaljson.Get(content, path...)
	if !ok {
		return "", false
	}
	return canonicaljson.String(raw)
}
