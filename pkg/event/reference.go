package event

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
)

// appendReferences appends a value of prev_events or auth_events: ids, or with EventIDInEvent pairs of an id and its
// hashes.
func appendReferences(dst []byte, v *Version, p *Proto, field string, ids []id.EventID) ([]byte, error) {
	dst = append(dst, '[')
	for i, eventID := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !utf8.ValidString(string(eventID)) {
			return dst, bad(field, "element %d is not UTF-8", i)
		}
		if !v.EventIDInEvent {
			dst = canonicaljson.AppendString(dst, string(eventID))
			continue
		}
		var hash []byte
		if p.ReferenceHash != nil {
			hash = p.ReferenceHash(eventID)
		}
		if len(hash) != sha256.Size {
			return dst, bad(field, "no reference hash of %s, which room version %s needs", eventID, v.ID)
		}
		dst = canonicaljson.AppendString(append(dst, '['), string(eventID))
		dst = append(dst, `,{"sha256":"`...)
		dst = base64.RawStdEncoding.AppendEncode(dst, hash)
		dst = append(dst, `"}]`...)
	}
	return append(dst, ']'), nil
}

// checkReferences checks a value of prev_events or auth_events.
func checkReferences(v *Version, field string, raw []byte, limit int) error {
	if !canonicaljson.IsArray(raw) {
		return bad(field, "not an array")
	}
	n := 0
	for value := range canonicaljson.Elements(raw) {
		eventID, ok := value, true
		if v.EventIDInEvent {
			eventID, ok = pairedID(value)
		}
		if !ok || !isReference(v, eventID) {
			return bad(field, "element %d is not %s", n, referenceForm(v))
		}
		n++
	}
	if n > limit {
		return bad(field, "%d events, at most %d are allowed", n, limit)
	}
	return nil
}

// pairedID returns the id of a pair of an id and an object of hashes. The hashes are not looked at: nothing is decided
// by them, and events without them were made.
func pairedID(pair []byte) (eventID []byte, ok bool) {
	n := 0
	for value := range canonicaljson.Elements(pair) {
		switch n++; n {
		case 1:
			eventID = value
		case 2:
			ok = canonicaljson.IsObject(value)
		default:
			return nil, false
		}
	}
	return eventID, ok
}

// isReference reports whether raw is a string that can be an event's id. Whether there is such an event shows when it
// is looked for.
func isReference(v *Version, raw []byte) bool {
	s, ok := canonicaljson.String(raw)
	return ok && 2 <= len(s) && len(s) <= id.MaxLength && s[0] == '$' && (!v.EventIDInEvent || strings.IndexByte(s, ':') > 0)
}

func referenceForm(v *Version) string {
	if v.EventIDInEvent {
		return "a pair of an event id and hashes"
	}
	return "an event id"
}

// references returns the ids in a value of prev_events or auth_events that was checked.
func references(v *Version, raw []byte) []id.EventID {
	n := 0
	for range canonicaljson.Elements(raw) {
		n++
	}
	ids := make([]id.EventID, 0, n)
	for value := range canonicaljson.Elements(raw) {
		if v.EventIDInEvent {
			value, _ = pairedID(value)
		}
		s, _ := canonicaljson.String(value)
		ids = append(ids, id.EventID(s))
	}
	return ids
}
