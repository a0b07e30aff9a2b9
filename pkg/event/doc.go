// Package event holds room events as they are stored, hashed and signed: the canonical JSON of the PDU without
// "unsigned" (server-server API, "PDUs", "Signing Events"; the room version pages).
//
// An [Event] never changes after it was made by [Build], [Parse] or [Load]. What differs between room versions is a
// named property of [Version]; no other code compares version numbers.
package event

import (
	"errors"
	"fmt"
)

// Limits of the specification (client-server API, "Size limits"; the PDU schemas). All room versions have the same.
const (
	// MaxSize is the greatest size in bytes of the canonical JSON of an event, signatures included.
	MaxSize = 65536
	// MaxField is the greatest size in bytes of event_id, sender, room_id, type and state_key.
	MaxField = 255
	// MaxPrevEvents is the greatest number of prev_events.
	MaxPrevEvents = 20
	// MaxAuthEvents is the greatest number of auth_events.
	MaxAuthEvents = 10
)

// ErrTooLarge is wrapped by a [*FieldError] about a size; clients get M_TOO_LARGE for it, else M_BAD_JSON.
var ErrTooLarge = errors.New("too large")

// A FieldError says which field of an event is not as the event format of its room version wants it.
type FieldError struct {
	Field string // as in the JSON; "event" for the whole
	Err   error
}

func (e *FieldError) Error() string { return fmt.Sprintf("event: %s: %v", e.Field, e.Err) }

// Unwrap returns what is wrong with the field.
func (e *FieldError) Unwrap() error { return e.Err }

func bad(field, format string, args ...any) error {
	return &FieldError{Field: field, Err: fmt.Errorf(format, args...)}
}

func checkSize(field string, size, limit int) error {
	if size > limit {
		return bad(field, "%w: %d bytes, at most %d are allowed", ErrTooLarge, size, limit)
	}
	return nil
}
