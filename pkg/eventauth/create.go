package eventauth

import (
	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// checkCreate holds the rules about the create event.
func checkCreate(v *event.Version, ev *event.Event) error {
	if len(ev.PrevEvents()) > 0 {
		return reject(v, createPrevEvents, "the create event has previous events")
	}
	if v.RoomIDFromCreate {
		if ev.HasRoomID() {
			return reject(v, createRoomID, "the create event has a room_id")
		}
	} else if domain(string(ev.RoomID())) != string(ev.Sender().ServerName()) {
		return reject(v, createDomain, "the room id is not of the sender's server")
	}
	if raw, ok := canonicaljson.Get(ev.Content(), "room_version"); ok {
		name, _ := canonicaljson.String(raw)
		if _, known := event.LookupVersion(name); !known {
			return reject(v, createVersion, "the room version is not one this server knows")
		}
	}
	if _, ok := canonicaljson.Get(ev.Content(), "creator"); !ok && v.CreatorInContent {
		return reject(v, createCreator, "the create event names no creator")
	}
	if raw, ok := canonicaljson.Get(ev.Content(), "additional_creators"); ok && v.PrivilegedCreators {
		if !canonicaljson.IsArray(raw) {
			return reject(v, createCreators, "additional_creators is not an array")
		}
		for value := range canonicaljson.Elements(raw) {
			s, _ := canonicaljson.String(value)
			if _, err := id.ParseUserID(s); err != nil {
				return reject(v, createCreators, "additional_creators has an element that is not a user id")
			}
		}
	}
	return nil
}

// Creator returns the user who created a room, by its create event: content.creator where the version has it, which is
// "" if that is not a string, else the sender.
func Creator(v *event.Version, create Fact) id.UserID {
	if v.CreatorInContent {
		return id.UserID(text(create.Content(), "creator"))
	}
	return create.Sender()
}

// Creators returns the creators of a room: its [Creator], and the additional_creators where the version has them.
func Creators(v *event.Version, create Fact) []id.UserID {
	var creators []id.UserID
	if creator := Creator(v, create); creator != "" {
		creators = append(creators, creator)
	}
	if v.PrivilegedCreators {
		additional, _ := canonicaljson.Get(create.Content(), "additional_creators")
		for value := range canonicaljson.Elements(additional) {
			if s, ok := canonicaljson.String(value); ok {
				creators = append(creators, id.UserID(s))
			}
		}
	}
	return creators
}
