// Package id holds the identifiers of the Matrix protocol as types of their own, and the grammars that say
// which strings are identifiers (Matrix specification, appendices, "Identifier Grammar").
//
// A value of one of these types that came out of a Parse function obeys its grammar; a conversion from a string
// asserts that it does.
package id

import "fmt"

// MaxLength is the greatest length in bytes of a user, room or event id, sigil and server name included.
const MaxLength = 255

// A DeviceID names one device, that is one login, of a user. It is opaque.
type DeviceID string

// String returns the id as a plain string.
func (d DeviceID) String() string { return string(d) }

// An Error says why a string is not an identifier of the wanted kind.
type Error struct {
	Kind   string // what was wanted: "user ID", "room ID", "event ID", "server name", "localpart"
	Reason string
}

func (e *Error) Error() string { return "invalid " + e.Kind + ": " + e.Reason }

func invalid(kind, format string, args ...any) error {
	return &Error{Kind: kind, Reason: fmt.Sprintf(format, args...)}
}
