package event_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

func TestRequiredSignersOfVersions(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, v *event.Version, from func(string) bool) {
		signers := func(replace map[string]string) []id.ServerName {
			replace["sender"] = `"@a:sender.example"`
			ev, err := event.Parse(v, validIn(t, v, replace))
			require.NoError(t, err)
			return ev.RequiredSigners()
		}
		require.Equal(t, []id.ServerName{"sender.example"}, signers(map[string]string{"event_id": `"$x:sender.example"`}))
		want := []id.ServerName{"sender.example"}
		if !from("3") {
			want = append(want, "hs.example:8448")
		}
		require.Equal(t, want, signers(map[string]string{"event_id": `"$x:hs.example:8448"`}))

		member := func(content string) []id.ServerName {
			return signers(map[string]string{"event_id": `"$x:sender.example"`, "type": `"m.room.member"`, "state_key": `"@a:b"`, "content": content})
		}
		want = []id.ServerName{"sender.example"}
		require.Equal(t, want, member(`{"membership":"join","third_party_invite":{}}`))
		require.Equal(t, want, member(`{"membership":"join","join_authorised_via_users_server":"nobody"}`))
		require.Equal(t, want, member(`{"membership":"join","join_authorised_via_users_server":"@u:sender.example"}`))
		if from("8") {
			want = append(want, "other.example")
		}
		require.Equal(t, want, member(`{"membership":"join","join_authorised_via_users_server":"@u:other.example"}`))

		// Any server may send a third-party invite, but it chooses the event id in its own name.
		want = nil
		if !from("3") {
			want = append(want, "sender.example")
		}
		require.Equal(t, want, member(`{"membership":"invite","third_party_invite":{}}`))
		require.Equal(t, []id.ServerName{"sender.example"}, signers(map[string]string{
			"event_id": `"$x:sender.example"`, "content": `{"membership":"invite","third_party_invite":{},"join_authorised_via_users_server":"@u:other.example"}`,
		}), "only member events are exempt, and only they are authorised by others")
	})
}

func TestSigningKeys(t *testing.T) {
	t.Parallel()
	ev, err := event.Parse(event.DefaultVersion, valid(t, map[string]string{
		"signatures": `{"a.example":{"ed25519:b":"x","ed25519:a":"y","rsa:1":"z"},"b.example":{"rsa:1":"z"},"c.example":[],"d.example":{}}`,
	}))
	require.NoError(t, err)
	require.Equal(t, []string{"ed25519:a", "ed25519:b"}, ev.SigningKeys("a.example"))
	require.True(t, ev.SignedBy("a.example"))
	for _, server := range []id.ServerName{"b.example", "c.example", "d.example", "e.example"} {
		require.Empty(t, ev.SigningKeys(server))
		require.False(t, ev.SignedBy(server), "an algorithm that nobody can verify")
	}
}

// TestHashesAndSignaturesOfVersions changes built events: what redaction keeps is signed, all else is hashed.
func TestHashesAndSignaturesOfVersions(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, v *event.Version, from func(string) bool) {
		s, p := newSigner(), proto(v)
		p.Type, p.StateKey = "m.room.member", ptr("@alice:hs.example")
		p.Content = json.RawMessage(`{"membership":"join","join_authorised_via_users_server":"@u:hs.example","displayname":"A"}`)
		ev, err := event.Build(v, p, s)
		require.NoError(t, err)
		change := func(from, to string) *event.Event {
			raw := strings.Replace(string(ev.JSON()), from, to, 1)
			require.NotEqual(t, string(ev.JSON()), raw, from)
			changed, err := event.Parse(v, []byte(raw))
			require.NoError(t, err)
			require.ErrorIs(t, event.VerifyHash(changed), event.ErrHash)
			return changed
		}
		verify := func(ev *event.Event) error {
			return event.VerifySignature(ev, "hs.example", "ed25519:a_test", s.public())
		}
		require.NoError(t, verify(change(`"displayname":"A"`, `"displayname":"B"`)))
		require.ErrorIs(t, verify(change(`"membership":"join"`, `"membership":"ban"`)), event.ErrSignature)
		require.ErrorIs(t, verify(change(`"depth":7`, `"depth":8`)), event.ErrSignature)
		if v.EventIDInEvent {
			require.ErrorIs(t, verify(change(string(ev.ID()), "$other:hs.example")), event.ErrSignature)
		}
		// Version 9 was made because in 8 redaction, and so the signature, lost the authorising user.
		authorised := verify(change(`"@u:hs.example"`, `"@v:hs.example"`))
		require.Equal(t, from("9"), authorised != nil)
		// "origin" is part of what is kept and signed before version 11 only.
		origin := verify(change(`"origin_server_ts"`, `"origin":"x","origin_server_ts"`))
		require.Equal(t, !from("11"), origin != nil)
	})
}

// TestLenientNumbersAreHashedInTheirCanonicalForm: 1.50 and 1.5 are the same number, so the same event.
func TestLenientNumbersAreHashedInTheirCanonicalForm(t *testing.T) {
	t.Parallel()
	v, s := version(t, "5"), newSigner()
	p := proto(v)
	p.Content = json.RawMessage(`{"a":1.50,"b":1e3}`)
	ev, err := event.Build(v, p, s)
	require.NoError(t, err)
	require.Equal(t, `{"a":1.5,"b":1000.0}`, string(ev.Content()))
	raw := strings.Replace(string(ev.JSON()), `{"a":1.5,"b":1000.0}`, `{"b":10.0E2,"a":0.15e1}`, 1)
	parsed, err := event.Parse(v, []byte(raw))
	require.NoError(t, err)
	require.Equal(t, ev, parsed)
	require.NoError(t, event.VerifyHash(parsed))
	_, err = event.Parse(version(t, "6"), []byte(raw))
	require.ErrorIs(t, err, canonicaljson.ErrNumber)
}
