package event_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
)

// valid returns the JSON of a valid event with fields replaced, or removed if empty.
func valid(t testing.TB, replace map[string]string) []byte {
	fields := map[string]json.RawMessage{
		"auth_events": json.RawMessage(`[]`), "content": json.RawMessage(`{"body":"x"}`), "depth": json.RawMessage(`3`),
		"hashes": json.RawMessage(`{}`), "origin_server_ts": json.RawMessage(`5`), "prev_events": json.RawMessage(`["` + string(other) + `"]`),
		"room_id": json.RawMessage(`"` + string(room) + `"`), "sender": json.RawMessage(`"@a:hs.example"`),
		"signatures": json.RawMessage(`{}`), "type": json.RawMessage(`"m.room.message"`),
	}
	for k, v := range replace {
		if v == "" {
			delete(fields, k)
		} else {
			fields[k] = json.RawMessage(v)
		}
	}
	raw, err := json.Marshal(fields)
	require.NoError(t, err)
	return raw
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	_, err := event.Parse(event.DefaultVersion, valid(t, nil))
	require.NoError(t, err)

	long := func(prefix string, n int, suffix string) string {
		return `"` + prefix + strings.Repeat("x", n) + suffix + `"`
	}
	for _, tt := range []struct {
		field, value string
		tooLarge     bool
	}{
		{"auth_events", "", false}, {"auth_events", `{}`, false}, {"auth_events", `[1]`, false}, {"auth_events", `["x"]`, false},
		{"content", "", false}, {"content", `[]`, false}, {"content", `"x"`, false},
		{"depth", "", false}, {"depth", `"3"`, false}, {"depth", `-1`, false}, {"depth", `null`, false},
		{"hashes", "", false}, {"hashes", `[]`, false},
		{"origin_server_ts", "", false}, {"origin_server_ts", `"5"`, false},
		{"prev_events", "", false}, {"prev_events", `null`, false}, {"prev_events", `[["$x",{}]]`, false},
		{"room_id", "", false}, {"room_id", `3`, false}, {"room_id", `"#a:b"`, false}, {"room_id", long("!", 300, ":x"), true},
		{"sender", "", false}, {"sender", `3`, false}, {"sender", `"a:b"`, false}, {"sender", `""`, false}, {"sender", long("@", 300, ":x"), true},
		{"signatures", "", false}, {"signatures", `1`, false},
		{"state_key", `1`, false}, {"state_key", `null`, false}, {"state_key", long("", 256, ""), true},
		{"type", "", false}, {"type", `1`, false}, {"type", long("", 256, ""), true},
	} {
		t.Run(fmt.Sprintf("%s=%.12s", tt.field, tt.value), func(t *testing.T) {
			t.Parallel()
			_, err := event.Parse(event.DefaultVersion, valid(t, map[string]string{tt.field: tt.value}))
			requireField(t, err, tt.field)
			if tt.tooLarge {
				require.ErrorIs(t, err, event.ErrTooLarge)
			} else {
				require.NotErrorIs(t, err, event.ErrTooLarge)
			}
		})
	}
	_, err = event.Parse(event.DefaultVersion, valid(t, map[string]string{"content": `{"a":1.5}`}))
	require.ErrorIs(t, err, canonicaljson.ErrNumber)
	_, err = event.Parse(event.DefaultVersion, []byte(`[]`))
	requireField(t, err, "event")
	_, err = event.Parse(event.DefaultVersion, valid(t, map[string]string{"content": `{"b":` + long("", event.MaxSize, "") + `}`}))
	requireField(t, err, "event")
	require.ErrorIs(t, err, event.ErrTooLarge)
}

func TestParseAcceptsTheBounds(t *testing.T) {
	t.Parallel()
	longest := "$" + strings.Repeat("x", 254)
	ids := func(n int) string {
		return `["` + strings.TrimSuffix(strings.Repeat(string(other)+`","`, n), `","`) + `"]`
	}
	for _, replace := range []map[string]string{
		{"depth": `0`}, {"depth": `9007199254740991`}, {"origin_server_ts": `-9007199254740991`},
		{"prev_events": `["` + longest + `","$x"]`}, {"prev_events": ids(event.MaxPrevEvents)}, {"auth_events": ids(event.MaxAuthEvents)},
		{"type": `"` + strings.Repeat("t", event.MaxField) + `"`}, {"state_key": `"` + strings.Repeat("k", event.MaxField) + `"`},
		{"type": `""`}, {"state_key": `""`},
		{"sender": `"@` + strings.Repeat("s", event.MaxField-3) + `:x"`},
	} {
		_, err := event.Parse(event.DefaultVersion, valid(t, replace))
		require.NoError(t, err, replace)
	}
	for _, bad := range []string{`["` + longest + `x"]`, `["$"]`, `[""]`, `["xy"]`, `[3]`, ids(event.MaxPrevEvents + 1)} {
		_, err := event.Parse(event.DefaultVersion, valid(t, map[string]string{"prev_events": bad}))
		requireField(t, err, "prev_events")
	}
}

func TestParseDropsUnsigned(t *testing.T) {
	t.Parallel()
	plain, err := event.Parse(event.DefaultVersion, valid(t, nil))
	require.NoError(t, err)
	with, err := event.Parse(event.DefaultVersion, valid(t, map[string]string{"unsigned": `{"age":` + strings.Repeat("1", 10) + `}`}))
	require.NoError(t, err)
	require.Equal(t, plain, with)
}

func TestTamperedEventFailsItsHashAndKeepsItsID(t *testing.T) {
	t.Parallel()
	s := newSigner()
	ev, err := event.Build(event.DefaultVersion, message(), s)
	require.NoError(t, err)

	// What redaction would remove is covered by the content hash alone.
	changed, err := event.Parse(ev.Version(), []byte(strings.Replace(string(ev.JSON()), "m.text", "m.emote", 1)))
	require.NoError(t, err)
	require.ErrorIs(t, event.VerifyHash(changed), event.ErrHash)
	require.NoError(t, event.VerifySignature(changed, "hs.example", "ed25519:a_test", s.public()))
	require.Equal(t, ev.ID(), changed.ID())

	// What it keeps is covered by the signature and gives the id.
	changed, err = event.Parse(ev.Version(), []byte(strings.Replace(string(ev.JSON()), `"depth":7`, `"depth":8`, 1)))
	require.NoError(t, err)
	require.ErrorIs(t, event.VerifySignature(changed, "hs.example", "ed25519:a_test", s.public()), event.ErrSignature)
	require.NotEqual(t, ev.ID(), changed.ID())
}

func TestMalformedSignaturesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSigner()
	for _, signature := range []string{`"*"`, `""`, `3`, `"AAAA"`} {
		ev, err := event.Parse(event.DefaultVersion, valid(t, map[string]string{"signatures": `{"hs.example":{"ed25519:a_test":` + signature + `}}`}))
		require.NoError(t, err)
		require.ErrorIs(t, event.VerifySignature(ev, "hs.example", "ed25519:a_test", s.public()), event.ErrSignature)
		require.ErrorIs(t, event.VerifySignature(ev, "hs.example", "ed25519:a_test", nil), event.ErrSignature)
		require.ErrorIs(t, event.VerifyHash(ev), event.ErrHash)
	}
	ev, err := event.Build(event.DefaultVersion, message(), s)
	require.NoError(t, err)
	require.ErrorIs(t, event.VerifySignature(ev, "hs.example", "ed25519:a_test", nil), event.ErrSignature)
}

func TestLoadNamesTheEvent(t *testing.T) {
	t.Parallel()
	_, err := event.Load(event.DefaultVersion, other, []byte(`{}`))
	require.ErrorContains(t, err, string(other))
}

func TestClientFormats(t *testing.T) {
	t.Parallel()
	p := message()
	p.Type, p.StateKey, p.Content = "m.room.member", ptr("@bob:hs.example"), json.RawMessage(`{"membership":"invite"}`)
	ev, err := event.Build(event.DefaultVersion, p, newSigner())
	require.NoError(t, err)
	require.Equal(t, "invite", ev.Membership())

	require.JSONEq(t, `{"content":{"membership":"invite"},"event_id":"`+string(ev.ID())+`","origin_server_ts":1700000000123,
		"room_id":"`+string(room)+`","sender":"@alice:hs.example","state_key":"@bob:hs.example","type":"m.room.member","unsigned":{"age":5}}`,
		string(event.ClientFormat(ev, json.RawMessage(`{"age":5}`), true)))
	require.JSONEq(t, `{"content":{"membership":"invite"},"event_id":"`+string(ev.ID())+`","origin_server_ts":1700000000123,
		"sender":"@alice:hs.example","state_key":"@bob:hs.example","type":"m.room.member"}`,
		string(event.ClientFormat(ev, nil, false)))
	require.JSONEq(t, `{"content":{"membership":"invite"},"sender":"@alice:hs.example","state_key":"@bob:hs.example","type":"m.room.member"}`,
		string(event.StrippedState(ev)))

	msg, err := event.Build(event.DefaultVersion, message(), newSigner())
	require.NoError(t, err)
	require.NotContains(t, string(event.ClientFormat(msg, nil, true)), "state_key")
}

func TestMembershipIsOfMemberStateEventsOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ evType, stateKey, content, want string }{
		{`"m.room.member"`, `"@a:b"`, `{"membership":"ban"}`, "ban"},
		{`"m.room.member"`, `"@a:b"`, `{"membership":"odd"}`, "odd"},
		{`"m.room.member"`, `"@a:b"`, `{"membership":1}`, ""},
		{`"m.room.member"`, "", `{"membership":"ban"}`, ""},
		{`"m.room.name"`, `"@a:b"`, `{"membership":"ban"}`, ""},
	} {
		ev, err := event.Parse(event.DefaultVersion, valid(t, map[string]string{"type": tt.evType, "state_key": tt.stateKey, "content": tt.content}))
		require.NoError(t, err)
		require.Equal(t, tt.want, ev.Membership())
	}
}
