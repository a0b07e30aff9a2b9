package event_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
)

func TestRedactedEventKeepsID(t *testing.T) {
	t.Parallel()
	ev, err := event.Build(event.DefaultVersion, message(), newSigner())
	require.NoError(t, err)
	redacted, err := event.Redacted(ev)
	require.NoError(t, err)
	require.Equal(t, ev.ID(), redacted.ID())
	require.Equal(t, `{}`, string(redacted.Content()))
	parsed, err := event.Parse(ev.Version(), redacted.JSON())
	require.NoError(t, err)
	require.Equal(t, redacted, parsed)
	require.ErrorIs(t, event.VerifyHash(redacted), event.ErrHash)
}

// TestRedactionOfVersions gives each version an event of each type with more than any version keeps.
func TestRedactionOfVersions(t *testing.T) {
	t.Parallel()
	// What is kept, from which version on.
	type kept map[string]string
	for _, tt := range []struct {
		evType, content string
		kept            kept
	}{
		{"m.room.message", `{"body":"x","membership":"join","redacts":"$x","creator":"@a:b"}`, kept{"1": `{}`}},
		{
			"m.room.member",
			`{"membership":"join","displayname":"A","join_authorised_via_users_server":"@b:c","reason":"r","third_party_invite":{"display_name":"x","signed":{"mxid":"@a:b","token":"t"}}}`,
			kept{
				"1":  `{"membership":"join"}`,
				"9":  `{"join_authorised_via_users_server":"@b:c","membership":"join"}`,
				"11": `{"join_authorised_via_users_server":"@b:c","membership":"join","third_party_invite":{"signed":{"mxid":"@a:b","token":"t"}}}`,
			},
		},
		{"m.room.member", `{"third_party_invite":{"display_name":"x"}}`, kept{"1": `{}`, "11": `{"third_party_invite":{}}`}},
		{"m.room.member", `{"third_party_invite":"x"}`, kept{"1": `{}`}},
		{
			"m.room.create", `{"creator":"@a:b","anything":[1],"room_version":"12"}`,
			kept{"1": `{"creator":"@a:b"}`, "11": `{"anything":[1],"creator":"@a:b","room_version":"12"}`},
		},
		{
			"m.room.join_rules", `{"join_rule":"restricted","allow":[],"x":1}`,
			kept{"1": `{"join_rule":"restricted"}`, "8": `{"allow":[],"join_rule":"restricted"}`},
		},
		{
			"m.room.power_levels",
			`{"ban":1,"events":{"a":1},"events_default":2,"invite":3,"kick":4,"notifications":{},"redact":5,"state_default":6,"users":{"b":2},"users_default":7,"x":8}`,
			kept{
				"1":  `{"ban":1,"events":{"a":1},"events_default":2,"kick":4,"redact":5,"state_default":6,"users":{"b":2},"users_default":7}`,
				"11": `{"ban":1,"events":{"a":1},"events_default":2,"invite":3,"kick":4,"redact":5,"state_default":6,"users":{"b":2},"users_default":7}`,
			},
		},
		{"m.room.aliases", `{"aliases":["#a:b"],"x":1}`, kept{"1": `{"aliases":["#a:b"]}`, "6": `{}`}},
		{"m.room.history_visibility", `{"history_visibility":"shared","x":1}`, kept{"1": `{"history_visibility":"shared"}`}},
		{"m.room.redaction", `{"reason":"r","redacts":"$x"}`, kept{"1": `{}`, "11": `{"redacts":"$x"}`}},
		{"m.room.third_party_invite", `{"public_key":"x"}`, kept{"1": `{}`}},
	} {
		eachVersion(t, func(t *testing.T, v *event.Version, from func(string) bool) {
			fields := map[string]string{"type": `"` + tt.evType + `"`, "state_key": `"k"`, "event_id": `"$e:hs.example"`}
			old := map[string]string{"origin": `"o"`, "membership": `"join"`, "prev_state": `[]`}
			never := map[string]string{"unsigned": `{"age":1}`, "redacts": `"$x"`, "extra": `1`, "age_ts": `3`}

			full := map[string]string{"content": tt.content}
			for _, some := range []map[string]string{fields, old, never} {
				for k, value := range some {
					full[k] = value
				}
			}
			got, err := event.Redact(v, validIn(t, v, full))
			require.NoError(t, err)

			if !from("11") {
				for k, value := range old {
					fields[k] = value
				}
			}
			for _, w := range event.Versions {
				if content, ok := tt.kept[w.ID]; ok && from(w.ID) {
					fields["content"] = content
				}
			}
			want, err := canonicaljson.Canonicalize(validIn(t, v, fields))
			require.NoError(t, err)
			require.Equal(t, string(want), string(got), tt.evType)
		})
	}
}

func TestRedactRefuses(t *testing.T) {
	t.Parallel()
	for raw, field := range map[string]string{`[]`: "event", `{}`: "type", `{"type":1}`: "type"} {
		_, err := event.Redact(event.DefaultVersion, []byte(raw))
		requireField(t, err, field)
	}
	_, err := event.Redact(event.DefaultVersion, []byte(`{`))
	require.ErrorIs(t, err, canonicaljson.ErrSyntax)
}
