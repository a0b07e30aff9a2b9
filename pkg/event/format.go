package event

import (
	"encoding/json"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

// ClientFormat returns the event as clients get it (client-server API, "Room event format"): with event_id, without
// what only servers need. unsigned, if not empty, is a JSON object; within /sync room_id is left out. A redaction names
// its target both at the top and in content, whichever of them the room version has.
func ClientFormat(ev *Event, unsigned json.RawMessage, withRoomID bool) []byte {
	return AppendClientFormat(make([]byte, 0, len(ev.content)+len(unsigned)+384), ev, unsigned, withRoomID)
}

// AppendClientFormat is [ClientFormat] into dst.
func AppendClientFormat(dst []byte, ev *Event, unsigned json.RawMessage, withRoomID bool) []byte {
	content := ev.content
	if ev.redacts != "" && !ev.version.RedactsInContent {
		content = setString(content, "redacts", string(ev.redacts))
	}
	dst = append(dst, `{"content":`...)
	dst = append(dst, content...)
	dst = append(dst, `,"event_id":`...)
	dst = canonicaljson.AppendString(dst, string(ev.id))
	dst = append(dst, `,"origin_server_ts":`...)
	dst = canonicaljson.AppendInt(dst, ev.ts)
	if ev.redacts != "" {
		dst = append(dst, `,"redacts":`...)
		dst = canonicaljson.AppendString(dst, string(ev.redacts))
	}
	if withRoomID {
		dst = append(dst, `,"room_id":`...)
		dst = canonicaljson.AppendString(dst, string(ev.roomID))
	}
	dst = append(dst, `,"sender":`...)
	dst = canonicaljson.AppendString(dst, string(ev.sender))
	dst = appendStateKey(dst, ev)
	dst = append(dst, `,"type":`...)
	dst = canonicaljson.AppendString(dst, ev.evType)
	if len(unsigned) > 0 {
		dst = append(dst, `,"unsigned":`...)
		dst = append(dst, unsigned...)
	}
	return append(dst, '}')
}

// StrippedState returns the event as those get it who are not in the room (client-server API, "Stripped state").
func StrippedState(ev *Event) []byte {
	dst := append(make([]byte, 0, len(ev.content)+128), `{"content":`...)
	dst = append(dst, ev.content...)
	dst = append(dst, `,"sender":`...)
	dst = canonicaljson.AppendString(dst, string(ev.sender))
	dst = appendStateKey(dst, ev)
	dst = append(dst, `,"type":`...)
	dst = canonicaljson.AppendString(dst, ev.evType)
	return append(dst, '}')
}

func appendStateKey(dst []byte, ev *Event) []byte {
	if !ev.isState {
		return dst
	}
	dst = append(dst, `,"state_key":`...)
	return canonicaljson.AppendString(dst, ev.key)
}
