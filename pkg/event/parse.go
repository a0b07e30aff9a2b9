package event

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
)

// Parse reads an event that came from elsewhere: it makes the JSON canonical, drops "unsigned", checks the event
// format and the size limits, and computes the id. It checks neither hash nor signatures nor authorisation. Errors are
// [*canonicaljson.Error] and [*FieldError]; those about sizes wrap [ErrTooLarge].
func Parse(v *Version, raw []byte) (*Event, error) {
	canonical, err := v.AppendCanonical(make([]byte, 0, len(raw)), raw)
	if err != nil {
		return nil, err
	}
	if !canonicaljson.IsObject(canonical) {
		return nil, bad("event", "not an object")
	}
	if _, ok := canonicaljson.Get(canonical, "unsigned"); ok {
		canonical = without(canonical, "unsigned")
	}
	if err := checkSize("event", len(canonical), MaxSize); err != nil {
		return nil, err
	}
	e := &Event{version: v, raw: canonical}
	if err := e.readFields(); err != nil {
		return nil, err
	}
	if !v.EventIDInEvent {
		e.id = hashID(v, e.signed())
	}
	e.deriveRoomID()
	return e, nil
}

// Load takes back an event from where it was stored: raw is the [Event.JSON] and eventID the [Event.ID] of an event
// that Build or Parse made. It does not hash again, and it keeps raw. Errors wrap [*FieldError].
func Load(v *Version, eventID id.EventID, raw []byte) (*Event, error) {
	e := &Event{version: v, raw: raw}
	if err := e.readFields(); err != nil {
		return nil, fmt.Errorf("load %s: %w", eventID, err)
	}
	if v.EventIDInEvent && e.id != eventID {
		return nil, fmt.Errorf("load %s: %w", eventID, bad("event_id", "is %s", e.id))
	}
	e.id = eventID
	e.deriveRoomID()
	return e, nil
}

// deriveRoomID gives the create event its room, where that comes from the event's id.
func (e *Event) deriveRoomID() {
	if e.version.RoomIDFromCreate && e.evType == "m.room.create" {
		e.roomID = RoomIDFromCreate(e)
	}
}

// readFields takes the fields out of raw and checks that they are what the event format wants.
func (e *Event) readFields() error {
	var hashes, signatures, redacts []byte
	var haveTS, haveDepth, haveType bool
	for key, value := range canonicaljson.Members(e.raw) {
		var err error
		switch string(key) {
		case "auth_events":
			e.auth, err = value, checkReferences(e.version, "auth_events", value, MaxAuthEvents)
		case "content":
			e.content = value
		case "depth":
			haveDepth = true
			if e.depth, err = integer("depth", value); err == nil && e.depth < 0 {
				err = bad("depth", "negative")
			}
		case "event_id":
			// Elsewhere it is a field like any that the event format does not know.
			if e.version.EventIDInEvent {
				err = e.readEventID(value)
			}
		case "hashes":
			hashes = value
		case "origin_server_ts":
			haveTS = true
			e.ts, err = integer("origin_server_ts", value)
		case "prev_events":
			e.prev, err = value, checkReferences(e.version, "prev_events", value, MaxPrevEvents)
		case "redacts":
			redacts = value
		case "room_id":
			err = e.readRoomID(value)
		case "sender":
			err = e.readSender(value)
		case "signatures":
			signatures = value
		case "state_key":
			e.isState = true
			var ok bool
			if e.key, ok = canonicaljson.String(value); !ok {
				err = bad("state_key", "not a string")
			} else {
				err = checkSize("state_key", len(e.key), MaxField)
			}
		case "type":
			// No rule forbids an empty one; only this server sends none.
			var ok bool
			if e.evType, ok = typeName(value); !ok {
				err = bad("type", "not a string")
			} else {
				haveType, err = true, checkSize("type", len(e.evType), MaxField)
			}
		}
		if err != nil {
			return err
		}
	}
	switch {
	case !haveType:
		return bad("type", "missing")
	case e.sender == "":
		return bad("sender", "missing")
	case !canonicaljson.IsObject(e.content):
		return bad("content", "missing or not an object")
	case e.prev == nil:
		return bad("prev_events", "missing")
	case e.auth == nil:
		return bad("auth_events", "missing")
	case !haveDepth:
		return bad("depth", "missing")
	case !haveTS:
		return bad("origin_server_ts", "missing")
	case !canonicaljson.IsObject(hashes):
		return bad("hashes", "missing or not an object")
	case !canonicaljson.IsObject(signatures):
		return bad("signatures", "missing or not an object")
	case e.version.EventIDInEvent && e.id == "":
		return bad("event_id", "missing")
	case e.roomID == "" && !(e.version.RoomIDFromCreate && e.evType == "m.room.create"):
		return bad("room_id", "missing")
	}
	if e.evType == "m.room.redaction" {
		if e.version.RedactsInContent {
			redacts, _ = canonicaljson.Get(e.content, "redacts")
		}
		s, _ := canonicaljson.String(redacts)
		e.redacts = id.EventID(s)
	}
	return nil
}

func (e *Event) readEventID(raw []byte) error {
	s, ok := canonicaljson.String(raw)
	if !ok {
		return bad("event_id", "not a string")
	}
	if err := checkSize("event_id", len(s), MaxField); err != nil {
		return err
	}
	var err error
	if e.id, err = id.ParseEventID(s); err != nil {
		return &FieldError{Field: "event_id", Err: err}
	}
	if e.idServer() == "" {
		return bad("event_id", "without a server name, which room version %s needs", e.version.ID)
	}
	return nil
}

// idServer returns the server in the event's id, which it has with EventIDInEvent.
func (e *Event) idServer() id.ServerName {
	_, server, _ := strings.Cut(string(e.id), ":")
	return id.ServerName(server)
}

func (e *Event) readSender(raw []byte) error {
	s, ok := canonicaljson.String(raw)
	if !ok {
		return bad("sender", "not a string")
	}
	if err := checkSize("sender", len(s), MaxField); err != nil {
		return err
	}
	var err error
	if e.sender, err = id.ParseUserID(s); err != nil {
		return &FieldError{Field: "sender", Err: err}
	}
	return nil
}

func (e *Event) readRoomID(raw []byte) error {
	s, ok := canonicaljson.String(raw)
	if !ok {
		return bad("room_id", "not a string")
	}
	if err := checkSize("room_id", len(s), MaxField); err != nil {
		return err
	}
	var err error
	if e.roomID, err = id.ParseRoomID(s); err != nil {
		return &FieldError{Field: "room_id", Err: err}
	}
	if hash := strings.IndexByte(s, ':') < 0; hash != e.version.RoomIDFromCreate {
		return bad("room_id", "not of the form that room version %s has", e.version.ID)
	}
	return nil
}

// integer reads a field of an integer. That must be written as one in every room version: 3.0 is none. Where canonical
// JSON is strict, it has refused what is beyond its range.
func integer(field string, raw []byte) (int64, error) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return 0, bad(field, "not an integer, or one of more than 64 bits")
	}
	return n, nil
}

// without returns the canonical object without one of its members.
func without(canonical []byte, skip string) []byte {
	out := append(make([]byte, 0, len(canonical)), '{')
	for key, value := range canonicaljson.Members(canonical) {
		if string(key) != skip {
			out = append(appendKey(out, 1, key), value...)
		}
	}
	return append(out, '}')
}
