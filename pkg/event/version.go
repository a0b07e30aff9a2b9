package event

import (
	"encoding/base64"
	"math"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

// A Version is a room version: the rules that its events obey. Each way in which versions differ is a property here, and
// no code compares the names of versions.
type Version struct {
	// ID is the name of the version, as in content.room_version of the create event.
	ID string
	// Stable is whether the specification calls it stable.
	Stable bool

	// EventIDInEvent: event_id is a field that the sender's server chooses, and prev_events and auth_events are pairs of
	// an id and an object of hashes. Otherwise the id is the reference hash, and those fields are lists of ids.
	EventIDInEvent bool
	// EventIDEncoding writes the reference hash that, after a "$", is the event's id. Nil with EventIDInEvent.
	EventIDEncoding *base64.Encoding
	// StrictCanonicalJSON: events that are not canonical JSON are refused. Before, numbers may be fractions, in
	// exponential notation, or beyond ±(2^53-1), and depth and origin_server_ts any integer of 64 bits.
	StrictCanonicalJSON bool
	// RoomIDFromCreate: the room's id is that of its create event with "!" for "$", and the create event has no room_id.
	RoomIDFromCreate bool
	// CreatorInContent: content.creator of the create event is required, and names the creator. Otherwise it is the
	// sender.
	CreatorInContent bool
	// CreateInAuthEvents: auth_events name the create event. Without it, the room id implies it.
	CreateInAuthEvents bool
	// PrivilegedCreators: creators are the create event's sender and content.additional_creators. Their power level is
	// infinite and they must not be in the power levels.
	PrivilegedCreators bool
	// FloatPowerLevels: numbers in power levels may be fractions, which are cut off.
	FloatPowerLevels bool
	// StringPowerLevels: decimal integers in strings count as power levels.
	StringPowerLevels bool
	// StrictPowerLevels: a level of the wrong form anywhere in the content is refused; before, only one in users.
	StrictPowerLevels bool
	// NotificationLevels: the rule about changes of "events" in the power levels holds for "notifications" too.
	NotificationLevels bool
	// AliasesRule: an m.room.aliases event needs nothing but a state key that is the sender's server.
	AliasesRule bool
	// RedactionRule: whether a redaction may happen is an authorisation rule. Otherwise redactions are events like
	// others, and whoever applies one looks at the redact level.
	RedactionRule bool
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
	// EnforceKeyValidity: a signature counts only if the key was valid when the event says that it was made.
	EnforceKeyValidity bool
	// StateResolution is the algorithm that resolves forks.
	StateResolution StateResolution
}

// AppendCanonical appends the canonical form of the JSON in raw to dst, as strictly as the version has it: by
// [canonicaljson.Append] or [canonicaljson.AppendLenient].
func (v *Version) AppendCanonical(dst, raw []byte) ([]byte, error) {
	if v.StrictCanonicalJSON {
		return canonicaljson.Append(dst, raw)
	}
	return canonicaljson.AppendLenient(dst, raw)
}

// MaxInt returns the greatest depth and origin_server_ts that an event can have.
func (v *Version) MaxInt() int64 {
	if v.StrictCanonicalJSON {
		return canonicaljson.MaxInt
	}
	return math.MaxInt64
}

// StateResolution names a state resolution algorithm.
type StateResolution string

// The state resolution algorithms that there are.
const (
	StateResolutionV1  StateResolution = "1"
	StateResolutionV2  StateResolution = "2"
	StateResolutionV21 StateResolution = "2.1"
)

// Versions is the table of the room versions that there are, oldest first. Each row is the one before it with what the
// version changed.
var Versions = table(
	func(v *Version) {
		*v = Version{
			ID: "1", Stable: true,
			EventIDInEvent: true, CreatorInContent: true, CreateInAuthEvents: true,
			FloatPowerLevels: true, StringPowerLevels: true, AliasesRule: true, RedactionRule: true,
			Redaction: redactionV1, StateResolution: StateResolutionV1,
		}
	},
	func(v *Version) { v.ID, v.StateResolution = "2", StateResolutionV2 },
	func(v *Version) {
		v.ID, v.EventIDInEvent, v.EventIDEncoding, v.RedactionRule = "3", false, base64.RawStdEncoding, false
	},
	func(v *Version) { v.ID, v.EventIDEncoding = "4", base64.RawURLEncoding },
	func(v *Version) { v.ID, v.EnforceKeyValidity = "5", true },
	func(v *Version) {
		v.ID, v.StrictCanonicalJSON, v.FloatPowerLevels, v.NotificationLevels = "6", true, false, true
		v.AliasesRule, v.Redaction = false, redactionV6
	},
	func(v *Version) { v.ID, v.Knocking = "7", true },
	func(v *Version) { v.ID, v.RestrictedJoins, v.Redaction = "8", true, redactionV8 },
	func(v *Version) { v.ID, v.Redaction = "9", redactionV9 },
	func(v *Version) {
		v.ID, v.KnockRestricted, v.StringPowerLevels, v.StrictPowerLevels = "10", true, false, true
	},
	func(v *Version) {
		v.ID, v.CreatorInContent, v.RedactsInContent, v.Redaction = "11", false, true, redactionV11
	},
	func(v *Version) {
		v.ID, v.RoomIDFromCreate, v.CreateInAuthEvents, v.PrivilegedCreators = "12", true, false, true
		v.StateResolution = StateResolutionV21
	},
)

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

func table(changes ...func(*Version)) []*Version {
	var rows []*Version
	var v Version
	for _, change := range changes {
		change(&v)
		row := v
		rows = append(rows, &row)
	}
	return rows
}

func mustLookup(versionID string) *Version {
	v, ok := LookupVersion(versionID)
	if !ok {
		panic("event: no room version " + versionID)
	}
	return v
}
