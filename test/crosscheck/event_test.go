package crosscheck

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// types of events that redaction treats apart, and one that it does not.
var types = []string{
	"m.room.member", "m.room.create", "m.room.join_rules", "m.room.power_levels", "m.room.aliases", "m.room.history_visibility",
	"m.room.redaction", "m.room.message",
}

// contentKeys are what redaction keeps of some type in some version, and what it never does.
var contentKeys = []string{
	"membership", "join_authorised_via_users_server", "third_party_invite", "creator", "room_version", "join_rule", "allow", "aliases", "ban", "events",
	"events_default", "invite", "kick", "redact", "state_default", "users", "users_default", "notifications", "history_visibility", "redacts", "body",
}

// content is an object of which redaction may keep some.
func (g *generator) content() string {
	given := map[string]string{}
	for range g.r.IntN(8) {
		given[g.one(contentKeys...)] = g.json()
	}
	if g.r.IntN(2) == 0 {
		given["third_party_invite"] = g.object(map[string]string{"signed": g.json(), "display_name": `"x"`})
	}
	return g.object(given)
}

// references is a value of prev_events or auth_events.
func (g *generator) references(v *event.Version) string {
	var all []string
	for _, e := range g.eventIDs(v) {
		if v.EventIDInEvent {
			all = append(all, fmt.Sprintf(`[%q,{"sha256":"c2hhMjU2"}]`, e))
		} else {
			all = append(all, fmt.Sprintf("%q", e))
		}
	}
	return "[" + strings.Join(all, ",") + "]"
}

func (g *generator) eventIDs(v *event.Version) []id.EventID {
	ids := make([]id.EventID, g.r.IntN(3))
	for i := range ids {
		ids[i] = id.EventID("$" + strings.Repeat(g.one("A", "b", "7"), 42) + g.one("A", "B"))
		if v.EventIDInEvent {
			ids[i] += ":there.example"
		}
	}
	return ids
}

// event is one that has neither hashes nor signatures yet.
func (g *generator) event(v *event.Version, evType string) string {
	given := map[string]string{
		"type": fmt.Sprintf("%q", evType), "sender": `"@someone:` + server + `"`, "content": g.content(), "depth": fmt.Sprint(g.r.IntN(1000)),
		"origin_server_ts": fmt.Sprint(g.r.Int64N(1 << 41)), "prev_events": g.references(v), "auth_events": g.references(v),
		"room_id": fmt.Sprintf("%q", g.room(v, evType)), "hashes": absent, "signatures": absent, "event_id": absent,
		"unsigned": g.one(absent, `{"age":3}`), "origin": g.one(absent, `"here.example"`), "membership": g.one(absent, `"join"`),
		"prev_state": g.one(absent, `[]`), "redacts": g.one(absent, `"$x:y"`), "state_key": g.one(absent, `""`, `"@someone:here.example"`),
	}
	if g.room(v, evType) == "" {
		given["room_id"] = absent
	}
	if v.EventIDInEvent {
		given["event_id"] = `"$made:here.example"`
	}
	return g.object(given)
}

// room is the id of a room, empty for a create event that gives it.
func (g *generator) room(v *event.Version, evType string) id.RoomID {
	switch {
	case v.RoomIDFromCreate && evType == "m.room.create":
		return ""
	case v.RoomIDFromCreate:
		return id.RoomID("!" + strings.Repeat("r", 43))
	}
	return "!room:there.example"
}

// eachVersion runs a test for each room version, with a generator of the JSON that it takes.
func eachVersion(t *testing.T, test func(t *testing.T, v *event.Version, python *peer, g *generator)) {
	t.Parallel()
	require.Len(t, event.Versions, 12)
	for _, v := range event.Versions {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			g := newGenerator(t)
			g.fractions = !v.StrictCanonicalJSON
			test(t, v, newPeer(t), g)
		})
	}
}

func TestEventsThatTheyMake(t *testing.T) {
	eachVersion(t, func(t *testing.T, v *event.Version, python *peer, g *generator) {
		for i := range *values / 8 {
			key := g.key(t)
			raw := []byte(g.event(v, types[i%len(types)]))
			q := question{Ask: "make_event", Raw: raw, Strict: v.StrictCanonicalJSON, RoomVersion: v.ID}
			theirs := python.ask(key.sign(q))
			require.Empty(t, theirs.Refusal, "%q", raw)

			ev, err := event.Parse(v, theirs.Out)
			require.NoError(t, err, "%q", raw)
			require.NoError(t, event.VerifyHash(ev), "%q", raw)
			require.NoError(t, event.VerifySignature(ev, server, key.ours.KeyID(), key.ours.Public()), "%q", raw)
			requireFacts(t, theirs, ev)
			redacted, err := event.Redact(v, theirs.Out)
			require.NoError(t, err, "%q", raw)
			require.Equal(t, string(theirs.Redacted), string(redacted), "%q", raw)
		}
	})
}

func TestEventsThatWeMake(t *testing.T) {
	eachVersion(t, func(t *testing.T, v *event.Version, python *peer, g *generator) {
		for i := range *values / 8 {
			key := g.key(t)
			p := event.Proto{
				Type: types[i%len(types)], Sender: "@someone:" + server, Content: json.RawMessage(g.content()), PrevEvents: g.eventIDs(v), AuthEvents: g.eventIDs(v),
				Depth: int64(g.r.IntN(1000)), OriginServerTS: g.r.Int64N(1 << 41),
				ReferenceHash: func(id.EventID) []byte { return make([]byte, 32) },
			}
			p.RoomID = g.room(v, p.Type)
			if g.r.IntN(2) == 0 {
				text := g.text()
				p.StateKey = &text
			}
			if p.Type == "m.room.redaction" {
				p.Redacts = "$target:there.example"
			}
			ev, err := event.Build(v, p, key.ours)
			require.NoError(t, err, "%+v", p)
			q := question{Ask: "check_event", Raw: ev.JSON(), Strict: v.StrictCanonicalJSON, RoomVersion: v.ID}
			theirs := python.ask(key.check(q))
			require.Empty(t, theirs.Refusal, "%s", ev.JSON())
			require.Equal(t, string(theirs.Out), string(ev.JSON()))
			requireFacts(t, theirs, ev)
			redacted, err := event.Redact(v, ev.JSON())
			require.NoError(t, err)
			require.Equal(t, string(theirs.Redacted), string(redacted))
		}
	})
}

// requireFacts compares what follows from an event.
func requireFacts(t *testing.T, want answer, ev *event.Event) {
	t.Helper()
	hash, _ := canonicaljson.Get(ev.JSON(), "hashes", "sha256")
	require.Equal(t, `"`+want.ContentHash+`"`, string(hash))
	encoding := ev.Version().EventIDEncoding
	if encoding == nil {
		require.Equal(t, want.ReferenceHash, base64.RawStdEncoding.EncodeToString(event.ReferenceHash(ev)), "%s", ev.JSON())
		return
	}
	require.Equal(t, "$"+want.ReferenceHash, string(ev.ID()), "%s", ev.JSON())
	require.Equal(t, want.ReferenceHash, encoding.EncodeToString(event.ReferenceHash(ev)))
}
