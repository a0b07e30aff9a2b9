package event

import (
	"encoding/json"
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
)

// An Event is one event of a room. It does not change and may be used by many goroutines; the byte slices it returns
// are its own and must not be changed.
type Event struct {
	version *Version
	raw     []byte
	id      id.EventID
	roomID  id.RoomID
	sender  id.UserID
	evType  string
	key     string
	isState bool
	ts      int64
	depth   int64
	redacts id.EventID

	// Parts of raw.
	content []byte
	prev    []byte
	auth    []byte
}

// Version returns the version of the event's room.
func (e *Event) Version() *Version { return e.version }

// JSON returns the stored form: canonical, with hashes and signatures, without unsigned.
func (e *Event) JSON() []byte { return e.raw }

// ID returns the event's id: made of its reference hash, or with EventIDInEvent its event_id.
func (e *Event) ID() id.EventID { return e.id }

// RoomID returns the room of the event; for a create event whose version derives the room's id from it, that one.
func (e *Event) RoomID() id.RoomID { return e.roomID }

// Sender returns the user who sent the event.
func (e *Event) Sender() id.UserID { return e.sender }

// Type returns the type, such as "m.room.message".
func (e *Event) Type() string { return e.evType }

// StateKey returns the state key; false if the event is not a state event.
func (e *Event) StateKey() (string, bool) { return e.key, e.isState }

// StateKeyEquals reports whether the event is a state event with this key.
func (e *Event) StateKeyEquals(key string) bool { return e.isState && e.key == key }

// IsState reports whether the event is a state event.
func (e *Event) IsState() bool { return e.isState }

// OriginServerTS returns when the sender's server says that it made the event, in milliseconds since 1970.
func (e *Event) OriginServerTS() int64 { return e.ts }

// Depth returns one more than the greatest depth of the previous events, at most
// [Version.MaxInt].
func (e *Event) Depth() int64 { return e.depth }

// Content returns the content, a canonical JSON object.
func (e *Event) Content() json.RawMessage { return e.content }

// PrevEvents returns the events that this one follows.
func (e *Event) PrevEvents() []id.EventID { return references(e.version, e.prev) }

// AuthEvents returns the events that give the sender permission.
func (e *Event) AuthEvents() []id.EventID { return references(e.version, e.auth) }

// Redacts returns the event that this m.room.redaction wants redacted, in content or at the top as the room version
// has it; empty if it is none.
func (e *Event) Redacts() id.EventID { return e.redacts }

// Membership returns content.membership of an m.room.member state event, else "".
func (e *Event) Membership() string {
	if e.evType != "m.room.member" || !e.isState {
		return ""
	}
	return MembershipIn(e.content)
}

// HasRoomID reports whether the JSON has a room_id, which a create event must not have if the room's id derives from
// it.
func (e *Event) HasRoomID() bool {
	_, ok := canonicaljson.Get(e.raw, "room_id")
	return ok
}

// IsCreate reports whether this is the create event of a room.
func (e *Event) IsCreate() bool { return e.evType == "m.room.create" && e.StateKeyEquals("") }

// RoomIDFromCreate returns the id of the room that ev, a create event, makes in a version whose room ids derive from
// the create event: that of the event with "!" for "$".
func RoomIDFromCreate(ev *Event) id.RoomID {
	return id.RoomID("!" + strings.TrimPrefix(string(ev.id), "$"))
}

// MembershipIn returns the membership that the content of an m.room.member names, "" if that is no string. It allocates
// nothing for the memberships there are.
func MembershipIn(content json.RawMessage) string {
	raw, _ := canonicaljson.Get(content, "membership")
	switch string(raw) {
	case `"join"`:
		return "join"
	case `"invite"`:
		return "invite"
	case `"leave"`:
		return "leave"
	case `"ban"`:
		return "ban"
	case `"knock"`:
		return "knock"
	}
	s, _ := canonicaljson.String(raw)
	return s
}

// typeName returns the text of a JSON string, without an allocation for the common types of events.
func typeName(raw []byte) (string, bool) {
	switch string(raw) {
	case `"m.room.message"`:
		return "m.room.message", true
	case `"m.room.encrypted"`:
		return "m.room.encrypted", true
	case `"m.room.member"`:
		return "m.room.member", true
	case `"m.reaction"`:
		return "m.reaction", true
	case `"m.room.redaction"`:
		return "m.room.redaction", true
	case `"m.room.create"`:
		return "m.room.create", true
	case `"m.room.power_levels"`:
		return "m.room.power_levels", true
	}
	return canonicaljson.String(raw)
}
