package eventauth_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
)

// FuzzCheck shows events and states of any content to the rules of a version. They must not panic; must say by which of
// the version's rules they refuse; must look at nothing but what auth_events name; and must accept what the selection
// selects. ev is the fields of an event, state a list of such, which a usual room gets on top; missing fields are added.
func FuzzCheck(f *testing.F) {
	for version := range event.Versions {
		for _, seed := range [][2]string{
			{`{"type":"m.room.message"}`, `[]`},
			{`{"type":"m.room.create","state_key":"","prev_events":[],"content":{"additional_creators":["@a:b"]}}`, `[]`},
			{`{"type":"m.room.member","state_key":"@alice:hs.example","content":{"membership":"join","join_authorised_via_users_server":"@bob:hs.example"},"signatures":{"hs.example":{"ed25519:a":"AA"}}}`,
				`[{"type":"m.room.join_rules","state_key":"","content":{"join_rule":"knock_restricted"}},{"type":"m.room.member","state_key":"@alice:hs.example","content":{"membership":"knock"}}]`},
			{`{"type":"m.room.member","state_key":"@carol:hs.example","content":{"membership":"invite","third_party_invite":{"signed":{"mxid":"@carol:hs.example","token":"t","signatures":{"a":{"ed25519:0":"AAAA"}}}}}}`,
				`[{"type":"m.room.third_party_invite","state_key":"t","content":{"public_keys":[{"public_key":"AAAA"}]}}]`},
			{`{"type":"m.room.power_levels","state_key":"","content":{"ban":"7","users":{"@alice:hs.example":50},"notifications":{"room":3}}}`,
				`[{"type":"m.room.power_levels","state_key":"","content":{"ban":"x","kick":70,"users":{"@alice:hs.example":" 050 "},"events":[]}}]`},
			{`{"type":"m.room.redaction","redacts":"$a:hs.example"}`, `[{"type":"m.room.power_levels","state_key":"","content":{"redact":1e3,"events_default":-1}}]`},
			{`{"type":"m.room.aliases","state_key":"hs.example"}`, `[{"type":"m.room.create","state_key":"","prev_events":[],"content":{"m.federate":false,"creator":1}}]`},
		} {
			f.Add(uint8(version), []byte(seed[0]), []byte(seed[1]))
		}
	}
	f.Fuzz(func(t *testing.T, version uint8, ev, state []byte) {
		v := event.Versions[int(version)%len(event.Versions)]
		r := usualIn(t, v)
		var events []json.RawMessage
		if json.Unmarshal(state, &events) != nil || len(events) > 20 {
			return
		}
		for _, raw := range events {
			if e := r.fuzzed(raw); e != nil && e.IsState() && e.RoomID() == r.create.RoomID() {
				r.put(e)
			}
		}
		e := r.fuzzed(ev)
		if e == nil {
			return
		}
		if err := r.check(e); err != nil {
			var rejection *eventauth.Rejection
			require.ErrorAs(t, err, &rejection)
			require.Contains(t, eventauth.Rules(v), eventauth.Numbered{Name: rejection.Name, Number: rejection.Rule})
		}
		var auth []*event.Event
		for tuple, of := range selected(v, e, r.state) {
			if v.CreateInAuthEvents || tuple.Type != "m.room.create" {
				auth = append(auth, of)
			}
		}
		require.NoError(t, r.checkAuth(e, auth...))
	})
}

// fuzzed makes an event of this room of what fields there are; nil if they make none.
func (r *room) fuzzed(raw []byte) *event.Event {
	f := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &f) != nil || f == nil {
		return nil
	}
	add := func(key string, value any) {
		if _, ok := f[key]; !ok {
			f[key], _ = json.Marshal(value)
		}
	}
	add("sender", alice)
	add("auth_events", []string{})
	add("prev_events", []string{})
	add("content", fields{})
	add("depth", 3)
	add("origin_server_ts", 5)
	add("hashes", fields{})
	add("signatures", fields{})
	if r.v.EventIDInEvent {
		add("event_id", "$e:hs.example")
	}
	if !r.v.RoomIDFromCreate || string(f["type"]) != `"m.room.create"` {
		delete(f, "room_id")
		add("room_id", r.create.RoomID())
	}
	whole, err := json.Marshal(f)
	if err != nil {
		return nil
	}
	ev, err := event.Parse(r.v, whole)
	if err != nil {
		return nil
	}
	return ev
}
