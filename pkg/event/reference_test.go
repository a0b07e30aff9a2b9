package event_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

func version(t testing.TB, versionID string) *event.Version {
	v, ok := event.LookupVersion(versionID)
	require.True(t, ok)
	return v
}

// proto returns a message for any room version.
func proto(v *event.Version) event.Proto {
	p := message()
	if !v.RoomIDFromCreate {
		p.RoomID = "!room:hs.example"
	}
	if v.EventIDInEvent {
		p.PrevEvents, p.AuthEvents = []id.EventID{"$prev:a.example"}, []id.EventID{"$auth:a.example", "$auth2:b.example:8448"}
		p.ReferenceHash = hashOf
	}
	return p
}

func hashOf(eventID id.EventID) []byte {
	sum := sha256.Sum256([]byte(eventID))
	return sum[:]
}

func TestBuildInEveryVersion(t *testing.T) {
	t.Parallel()
	for _, v := range event.Versions {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			p, s := proto(v), newSigner()
			ev, err := event.Build(v, p, s)
			require.NoError(t, err)
			require.Equal(t, p.RoomID, ev.RoomID())
			require.Equal(t, p.PrevEvents, ev.PrevEvents())
			require.Equal(t, p.AuthEvents, ev.AuthEvents())
			require.NoError(t, event.VerifyHash(ev))
			require.NoError(t, event.VerifySignature(ev, "hs.example", "ed25519:a_test", s.public()))

			canonical, err := canonicaljson.Canonicalize(ev.JSON())
			require.NoError(t, err)
			require.Equal(t, string(canonical), string(ev.JSON()))
			parsed, err := event.Parse(v, ev.JSON())
			require.NoError(t, err)
			require.Equal(t, ev, parsed)
			loaded, err := event.Load(v, ev.ID(), ev.JSON())
			require.NoError(t, err)
			require.Equal(t, ev, loaded)
			redacted, err := event.Redacted(ev)
			require.NoError(t, err)
			require.Equal(t, ev.ID(), redacted.ID())
			require.Equal(t, event.ReferenceHash(ev), event.ReferenceHash(redacted))
			require.NoError(t, event.VerifySignature(redacted, "hs.example", "ed25519:a_test", s.public()))

			_, err = id.ParseEventID(string(ev.ID()))
			require.NoError(t, err)
			if v.EventIDInEvent {
				require.True(t, strings.HasSuffix(string(ev.ID()), ":hs.example"), ev.ID())
				again, err := event.Build(v, p, s)
				require.NoError(t, err)
				require.NotEqual(t, ev.ID(), again.ID())
				return
			}
			require.Equal(t, "$"+v.EventIDEncoding.EncodeToString(event.ReferenceHash(ev)), string(ev.ID()))
		})
	}
}

func TestReferencesWithHashes(t *testing.T) {
	t.Parallel()
	v := version(t, "2")
	ev, err := event.Build(v, proto(v), newSigner())
	require.NoError(t, err)
	var fields struct {
		EventID string          `json:"event_id"`
		Auth    json.RawMessage `json:"auth_events"`
		Prev    json.RawMessage `json:"prev_events"`
	}
	require.NoError(t, json.Unmarshal(ev.JSON(), &fields))
	require.Equal(t, string(ev.ID()), fields.EventID)
	pair := func(eventID id.EventID) string {
		return `["` + string(eventID) + `",{"sha256":"` + base64.RawStdEncoding.EncodeToString(hashOf(eventID)) + `"}]`
	}
	require.Equal(t, `[`+pair("$prev:a.example")+`]`, string(fields.Prev))
	require.Equal(t, `[`+pair("$auth:a.example")+`,`+pair("$auth2:b.example:8448")+`]`, string(fields.Auth))

	for field, p := range map[string]event.Proto{
		"auth_events": {AuthEvents: []id.EventID{"$auth:a.example"}},
		"prev_events": {PrevEvents: []id.EventID{"$prev:a.example"}},
	} {
		for _, hash := range []func(id.EventID) []byte{
			nil,
			func(id.EventID) []byte { return nil },
			func(id.EventID) []byte { return make([]byte, 31) },
		} {
			p.RoomID, p.Sender, p.Type, p.Content, p.ReferenceHash = "!room:hs.example", "@alice:hs.example", "m.room.message", json.RawMessage(`{}`), hash
			_, err := event.Build(v, p, newSigner())
			requireField(t, err, field)
		}
	}
}

// The reference hash covers what redaction leaves, the event_id where there is one, and no signatures.
func TestReferenceHashCovers(t *testing.T) {
	t.Parallel()
	v := version(t, "1")
	ev, err := event.Build(v, proto(v), newSigner())
	require.NoError(t, err)
	change := func(from, to string) []byte {
		raw := strings.Replace(string(ev.JSON()), from, to, 1)
		require.NotEqual(t, string(ev.JSON()), raw)
		changed, err := event.Parse(v, []byte(raw))
		require.NoError(t, err)
		return event.ReferenceHash(changed)
	}
	require.Equal(t, event.ReferenceHash(ev), change(`"m.text"`, `"m.emote"`))
	require.Equal(t, event.ReferenceHash(ev), change(`"ed25519:a_test"`, `"ed25519:b_test"`))
	require.Equal(t, event.ReferenceHash(ev), change(`{"auth`, `{"unsigned":{"age_ts":5},"auth`))
	require.NotEqual(t, event.ReferenceHash(ev), change(string(ev.ID()), "$other:hs.example"))
	require.NotEqual(t, event.ReferenceHash(ev), change(`"depth":7`, `"depth":8`))
}

func TestLoadRefusesTheIDOfAnother(t *testing.T) {
	t.Parallel()
	v := version(t, "1")
	ev, err := event.Build(v, proto(v), newSigner())
	require.NoError(t, err)
	_, err = event.Load(v, "$other:hs.example", bytes.Clone(ev.JSON()))
	requireField(t, err, "event_id")
}
