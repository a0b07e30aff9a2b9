package eventauth

import (
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
)

// Check applies the authorisation rules of room version v to ev, against a state without ev; all rules but the one
// about auth_events, for which there is [CheckAuthEvents]. The error is a [*Rejection].
//
// Where a rule asks for a valid signature, Check asks that the signature be there: whoever received the event has
// verified those it carries before.
func Check(v *event.Version, ev *event.Event, state State) error {
	if ev.Type() == typeCreate {
		return checkCreate(v, ev)
	}
	create := state.Fact(typeCreate, "")
	if create == nil || create.RoomID() != ev.RoomID() {
		return rejectRoom(v, create)
	}
	if ev.Sender().ServerName() != create.Sender().ServerName() {
		if federate, _ := canonicaljson.Get(create.Content(), "m.federate"); string(federate) == "false" {
			return reject(v, federation, "the room is closed to users of other servers")
		}
	}
	if v.AliasesRule && ev.Type() == typeAliases {
		return checkAliases(v, ev)
	}
	if ev.Type() == typeMember {
		return checkMember(v, ev, create, state)
	}
	if membershipOf(state, ev.Sender()) != join {
		return reject(v, senderJoined, "the sender is not in the room")
	}
	levels := LevelsOf(v, state)
	sender := levels.User(ev.Sender())
	if ev.Type() == typeThirdPartyInvite {
		if sender < levels.Invite {
			return reject(v, thirdPartyLevel, "the sender's power level is too low to invite")
		}
		return nil
	}
	if sender < levels.RequiredFor(ev.Type(), ev.IsState()) {
		return reject(v, requiredLevel, "the sender's power level is too low for events of type "+ev.Type())
	}
	if key, _ := ev.StateKey(); strings.HasPrefix(key, "@") && key != string(ev.Sender()) {
		return reject(v, stateKeyOfUser, "the state key is another user")
	}
	if ev.Type() == typePowerLevels {
		return checkPowerLevels(v, ev, state, levels)
	}
	if v.RedactionRule && ev.Type() == typeRedaction {
		return checkRedaction(v, ev, levels)
	}
	return nil
}

// rejectRoom refuses an event for which the state has no create event, or that of another room. It is a rule of its own
// where the room's id stands for the create event, else part of what auth_events must have.
func rejectRoom(v *event.Version, create Fact) error {
	switch {
	case v.RoomIDFromCreate:
		return reject(v, roomOfCreate, "the room has no create event that was accepted")
	case create == nil:
		return reject(v, authCreate, "the room has no create event")
	}
	return reject(v, authRoom, "the create event is of another room")
}

func checkAliases(v *event.Version, ev *event.Event) error {
	key, isState := ev.StateKey()
	if !isState {
		return reject(v, aliasesStateKey, "an event with aliases needs a state key")
	}
	if key != string(ev.Sender().ServerName()) {
		return reject(v, aliasesDomain, "the state key is not the sender's server")
	}
	return nil
}
