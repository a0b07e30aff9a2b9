package eventauth

import (
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
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
	create := state.Event(typeCreate, "")
	if create == nil || create.RoomID() != ev.RoomID() {
		return reject("2", "the room has no create event that was accepted")
	}
	if ev.Sender().ServerName() != create.Sender().ServerName() {
		if federate, _ := canonicaljson.Get(create.Content(), "m.federate"); string(federate) == "false" {
			return reject("4", "the room is closed to users of other servers")
		}
	}
	if ev.Type() == typeMember {
		return checkMember(v, ev, create, state)
	}
	if membershipOf(state, ev.Sender()) != join {
		return reject("6", "the sender is not in the room")
	}
	levels := LevelsOf(v, state)
	sender := levels.User(ev.Sender())
	if ev.Type() == typeThirdPartyInvite {
		if sender < levels.Invite {
			return reject("7.1", "the sender's power level is too low to invite")
		}
		return nil
	}
	if sender < levels.RequiredFor(ev.Type(), ev.IsState()) {
		return reject("8", "the sender's power level is too low for events of type "+ev.Type())
	}
	if key, _ := ev.StateKey(); strings.HasPrefix(key, "@") && key != string(ev.Sender()) {
		return reject("9", "the state key is another user")
	}
	if ev.Type() == typePowerLevels {
		return checkPowerLevels(v, ev, state, levels)
	}
	return nil
}

func checkCreate(v *event.Version, ev *event.Event) error {
	if len(ev.PrevEvents()) > 0 {
		return reject("1.1", "the create event has previous events")
	}
	if v.RoomIDFromCreate && ev.HasRoomID() {
		return reject("1.2", "the create event has a room_id")
	}
	if raw, ok := canonicaljson.Get(ev.Content(), "room_version"); ok {
		name, _ := canonicaljson.String(raw)
		if _, known := event.LookupVersion(name); !known {
			return reject("1.3", "the room version is not one this server knows")
		}
	}
	if raw, ok := canonicaljson.Get(ev.Content(), "additional_creators"); ok && v.PrivilegedCreators {
		if !canonicaljson.IsArray(raw) {
			return reject("1.4", "additional_creators is not an array")
		}
		for value := range canonicaljson.Elements(raw) {
			s, _ := canonicaljson.String(value)
			if _, err := id.ParseUserID(s); err != nil {
				return reject("1.4", "additional_creators has an element that is not a user id")
			}
		}
	}
	return nil
}
