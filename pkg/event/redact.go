package event

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

// A Redaction is what the redaction algorithm of a room version keeps.
type Redaction struct {
	// Keys are the top-level keys that stay.
	Keys []string
	// Content names, for an event type, the keys of the content that stay. Of other types none do.
	Content map[string]ContentRule
}

// A ContentRule is what redaction keeps of the content of one type of event.
type ContentRule struct {
	// All keeps everything.
	All bool
	// Keys are the keys that stay.
	Keys []string
	// Within names keys whose value is cut down to some of its own keys, if it is an object, and else goes.
	Within map[string][]string
}

// The redaction algorithms, each named after the first version that has it.
var (
	redactionV1  = Redaction{oldKeys, contentV1}
	redactionV6  = Redaction{oldKeys, contentV6}
	redactionV8  = Redaction{oldKeys, contentV8}
	redactionV9  = Redaction{oldKeys, contentV9}
	redactionV11 = Redaction{keys, contentV11}
)

var (
	keys = []string{
		"event_id", "type", "room_id", "sender", "state_key", "content", "hashes", "signatures", "depth", "prev_events",
		"auth_events", "origin_server_ts",
	}
	oldKeys = append(slices.Clone(keys), "prev_state", "origin", "membership")
)

var (
	contentV1 = map[string]ContentRule{
		"m.room.member":     {Keys: []string{"membership"}},
		"m.room.create":     {Keys: []string{"creator"}},
		"m.room.join_rules": {Keys: []string{"join_rule"}},
		"m.room.power_levels": {Keys: []string{
			"ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default",
		}},
		"m.room.aliases":            {Keys: []string{"aliases"}},
		"m.room.history_visibility": {Keys: []string{"history_visibility"}},
	}
	contentV6 = with(contentV1, map[string]ContentRule{"m.room.aliases": {}})
	contentV8 = with(contentV6, map[string]ContentRule{"m.room.join_rules": {Keys: []string{"join_rule", "allow"}}})
	contentV9 = with(contentV8, map[string]ContentRule{
		"m.room.member": {Keys: []string{"membership", "join_authorised_via_users_server"}},
	})
	contentV11 = with(contentV9, map[string]ContentRule{
		"m.room.member": {
			Keys:   []string{"membership", "join_authorised_via_users_server"},
			Within: map[string][]string{"third_party_invite": {"signed"}},
		},
		"m.room.create": {All: true},
		"m.room.power_levels": {Keys: []string{
			"ban", "events", "events_default", "invite", "kick", "redact", "state_default", "users", "users_default",
		}},
		"m.room.redaction": {Keys: []string{"redacts"}},
	})
)

// with returns what was, with some types' rules replaced.
func with(was, changed map[string]ContentRule) map[string]ContentRule {
	is := maps.Clone(was)
	maps.Copy(is, changed)
	return is
}

// Redact returns the canonical JSON of the event in raw after the redaction algorithm of the version: also without
// "unsigned", with the signatures. Errors are [*canonicaljson.Error] and [*FieldError].
func Redact(v *Version, raw []byte) ([]byte, error) {
	canonical, err := v.AppendCanonical(make([]byte, 0, len(raw)), raw)
	if err != nil {
		return nil, err
	}
	if !canonicaljson.IsObject(canonical) {
		return nil, bad("event", "not an object")
	}
	rawType, _ := canonicaljson.Get(canonical, "type")
	evType, ok := canonicaljson.String(rawType)
	if !ok {
		return nil, bad("type", "not a string")
	}
	return v.Redaction.append(make([]byte, 0, len(canonical)), canonical, evType, ""), nil
}

// Redacted returns ev as it is after a redaction. Its id is the same.
func Redacted(ev *Event) (*Event, error) {
	return Load(ev.version, ev.id, ev.version.Redaction.append(nil, ev.raw, ev.evType, ""))
}

// append appends what remains of the event in canonical, also without the key skip.
func (r *Redaction) append(dst, canonical []byte, evType, skip string) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for key, value := range canonicaljson.Members(canonical) {
		if string(key) == skip || !contains(r.Keys, key) {
			continue
		}
		dst = appendKey(dst, start, key)
		if string(key) == "content" {
			dst = r.appendContent(dst, value, evType)
		} else {
			dst = append(dst, value...)
		}
	}
	return append(dst, '}')
}

func (r *Redaction) appendContent(dst []byte, content json.RawMessage, evType string) []byte {
	rule := r.Content[evType]
	if rule.All {
		return append(dst, content...)
	}
	dst = append(dst, '{')
	start := len(dst)
	for key, value := range canonicaljson.Members(content) {
		if contains(rule.Keys, key) {
			dst = append(appendKey(dst, start, key), value...)
			continue
		}
		if keep, ok := rule.Within[string(key)]; ok && canonicaljson.IsObject(value) {
			dst = append(appendKey(dst, start, key), '{')
			within := len(dst)
			for k, v := range canonicaljson.Members(value) {
				if contains(keep, k) {
					dst = append(appendKey(dst, within, k), v...)
				}
			}
			dst = append(dst, '}')
		}
	}
	return append(dst, '}')
}

// appendKey appends `"key":`, after a comma unless it is the first since start.
func appendKey(dst []byte, start int, key []byte) []byte {
	if len(dst) > start {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, key...)
	return append(dst, '"', ':')
}

func contains(keys []string, key []byte) bool {
	for _, k := range keys {
		if k == string(key) {
			return true
		}
	}
	return false
}
