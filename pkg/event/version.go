package event

import "encoding/base64"

// A Version is a room version: the rules that its events obey. Each way in which versions differ is a property here.
type Version struct {
	// ID is the name of the version, as in content.room_version of the create event.
	ID string
	// Stable is whether the specification calls it stable.
	Stable bool

	// EventIDEncoding writes the reference hash that, after a "$", is the event's id.
	EventIDEncoding *base64.Encoding
	// RoomIDFromCreate: the room's id is that of its create event with "!" for "$", and the create event has no room_id.
	RoomIDFromCreate bool
	// CreateInAuthEvents: auth_events name the create event. Without it, the room id implies it.
	CreateInAuthEvents bool
	// PrivilegedCreators: creators are the create event's sender and content.additional_creators. Their power level is
	// infinite and they must not be in the power levels.
	PrivilegedCreators bool
	// IntegerPowerLevels: power levels are integers; before, decimal integers in strings counted too.
	IntegerPowerLevels bool
	// Knocking: the membership and the join rule "knock".
	Knocking bool
	// RestrictedJoins: the join rule "restricted".
	RestrictedJoins bool
	// KnockRestricted: the join rule "knock_restricted".
	KnockRestricted bool
	// RedactsInContent: content.redacts of m.room.redaction names the event to redact; before, a top-level redacts.
	RedactsInContent bool
	// Redaction is what remains of a redacted event.
	Redaction Redaction
}

// Versions is the table of the room versions that this server supports.
var Versions = []*Version{
	{
		ID:                 "12",
		Stable:             true,
		EventIDEncoding:    base64.RawURLEncoding,
		RoomIDFromCreate:   true,
		PrivilegedCreators: true,
		IntegerPowerLevels: true,
		Knocking:           true,
		RestrictedJoins:    true,
		KnockRestricted:    true,
		RedactsInContent:   true,
		Redaction:          redactionV11,
	},
}

// DefaultVersion is the version of new rooms (room versions, "Complete list of room versions").
var DefaultVersion = mustLookup("12")

// LookupVersion finds a version in the table.
func LookupVersion(versionID string) (*Version, bool) {
	for _, v := range Versions {
		if v.ID == versionID {
			return v, true
		}
	}
	return nil, false
}

func mustLookup(versionID string) *Version {
	v, ok := LookupVersion(versionID)
	if !ok {
		panic("event: no room version " + versionID)
	}
	return v
}
