package event_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// fuzzVersion picks a room version by a number that the fuzzer makes.
func fuzzVersion(n uint8) *event.Version { return event.Versions[int(n)%len(event.Versions)] }

// fuzzSeeds adds events of every version.
func fuzzSeeds(f *testing.F) {
	for i, v := range event.Versions {
		for _, replace := range []map[string]string{
			nil,
			{"type": `"m.room.create"`, "room_id": "", "state_key": `""`, "prev_events": `[]`},
			{"type": `"m.room.redaction"`, "content": `{"redacts":"$x"}`, "redacts": `"$y"`},
			{"type": `"m.room.member"`, "content": `{"third_party_invite":{"signed":1,"x":2},"membership":"join"}`, "state_key": `"@a:b"`},
			{"unsigned": `{"a":1}`, "type": `"\u0000\""`, "event_id": `"$\u0022:b"`},
			{"depth": `1e2`, "content": `{"a":[1.50,-0,1e400,123456789012345678901234567890]}`},
		} {
			f.Add(uint8(i), validIn(f, v, replace))
		}
		f.Add(uint8(i), []byte(`{"type":"x","content":{"content":{}}}`))
		f.Add(uint8(i), []byte(`{"type":"m.room.create","content":3}`))
	}
}

// FuzzParse: what was parsed is a fixed point, and its redaction keeps its id and reference hash.
func FuzzParse(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, n uint8, raw []byte) {
		v := fuzzVersion(n)
		ev, err := event.Parse(v, raw)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(ev.JSON()), event.MaxSize)
		_, err = id.ParseEventID(string(ev.ID()))
		require.NoError(t, err)
		again, err := event.Parse(v, ev.JSON())
		require.NoError(t, err)
		require.Equal(t, ev, again)
		loaded, err := event.Load(v, ev.ID(), ev.JSON())
		require.NoError(t, err)
		require.Equal(t, ev, loaded)
		redacted, err := event.Redacted(ev)
		require.NoError(t, err)
		require.Equal(t, ev.ID(), redacted.ID())
		rehashed, err := event.Parse(v, redacted.JSON())
		require.NoError(t, err)
		require.Equal(t, ev.ID(), rehashed.ID(), "redaction changed the id")
		require.Equal(t, event.ReferenceHash(ev), event.ReferenceHash(rehashed))
		require.Equal(t, ev.PrevEvents(), rehashed.PrevEvents())
		require.Equal(t, ev.AuthEvents(), rehashed.AuthEvents())
		ev.RequiredSigners()
		require.True(t, json.Valid(event.ClientFormat(ev, nil, true)))
		require.True(t, json.Valid(event.StrippedState(ev)))
	})
}

// FuzzRedact: redaction is canonical and idempotent, and keeps nothing that was not there.
func FuzzRedact(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, n uint8, raw []byte) {
		v := fuzzVersion(n)
		once, err := event.Redact(v, raw)
		if err != nil {
			return
		}
		canonical, err := v.AppendCanonical(nil, once)
		require.NoError(t, err)
		require.Equal(t, string(canonical), string(once))
		twice, err := event.Redact(v, once)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))

		whole, err := v.AppendCanonical(nil, raw)
		require.NoError(t, err)
		for key, value := range canonicaljson.Members(once) {
			was, ok := canonicaljson.Get(whole, canonicaljson.Key(key))
			require.True(t, ok)
			if string(key) != "content" {
				require.Equal(t, string(was), string(value))
			}
		}
	})
}
