package id

import "strings"

// A RoomID names a room: "!opaque:server", or, from room version 12, "!" and the reference hash of the create event
// (appendices, "Room IDs").
type RoomID string

// An EventID names an event: "$" and its reference hash, or, in room versions 1 and 2, "$opaque:server" (appendices,
// "Event IDs").
type EventID string

// hashLength is the length of a SHA-256 hash in unpadded base64.
const hashLength = 43

// ParseRoomID accepts both forms of a room id. Errors are of type [*Error].
func ParseRoomID(s string) (RoomID, error) {
	const kind = "room ID"
	if strings.IndexByte(s, ':') >= 0 {
		if err := parseLocalAndServer(kind, '!', s); err != nil {
			return "", err
		}
		return RoomID(s), nil
	}
	if s == "" || s[0] != '!' {
		return "", invalid(kind, "it does not begin with %q", '!')
	}
	if !isHash(s[1:], false) {
		return "", invalid(kind, "it has neither a server name nor the form of a hash")
	}
	return RoomID(s), nil
}

// ParseEventID accepts the forms of all room versions. Errors are of type [*Error].
func ParseEventID(s string) (EventID, error) {
	const kind = "event ID"
	if strings.IndexByte(s, ':') >= 0 {
		if err := parseLocalAndServer(kind, '$', s); err != nil {
			return "", err
		}
		return EventID(s), nil
	}
	if s == "" || s[0] != '$' {
		return "", invalid(kind, "it does not begin with %q", '$')
	}
	// Room version 3 used the standard alphabet; later ones the URL-safe one.
	if !isHash(s[1:], true) {
		return "", invalid(kind, "it has neither a server name nor the form of a hash")
	}
	return EventID(s), nil
}

// String returns the id as a plain string.
func (r RoomID) String() string { return string(r) }

// String returns the id as a plain string.
func (e EventID) String() string { return string(e) }

func isHash(s string, standardAlphabet bool) bool {
	if len(s) != hashLength {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		case standardAlphabet && (c == '+' || c == '/'):
		default:
			return false
		}
	}
	return true
}
