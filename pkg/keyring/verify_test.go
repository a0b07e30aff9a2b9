package keyring

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// build makes an event of alice at the remote server.
func build(t *testing.T, version string, p event.Proto, signer event.Signer) *event.Event {
	t.Helper()
	v, ok := event.LookupVersion(version)
	require.True(t, ok)
	p.RoomID, p.Sender, p.Depth = "!room:remote.example", "@alice:remote.example", 1
	if p.Type == "" {
		p.Type, p.Content = "m.room.message", json.RawMessage(`{}`)
	}
	ev, err := event.Build(v, p, signer)
	require.NoError(t, err)
	return ev
}

func TestVerifyEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	k := p.keys[0]
	within, after := event.Proto{OriginServerTS: ms(start)}, event.Proto{OriginServerTS: ms(start.Add(2 * day))}
	require.NoError(t, w.VerifyEvent(t.Context(), build(t, "10", within, k)))
	require.ErrorIs(t, w.VerifyEvent(t.Context(), build(t, "5", after, k)), ErrKeyNotValid)
	require.NoError(t, w.VerifyEvent(t.Context(), build(t, "4", after, k)), "validity is not enforced")

	same := newKey(t, remote)
	same.version = k.version
	err := w.VerifyEvent(t.Context(), build(t, "10", within, same))
	require.ErrorIs(t, err, event.ErrSignature)
	var named *KeyError
	require.ErrorAs(t, err, &named)
	require.Equal(t, KeyError{Server: remote, KeyID: k.KeyID(), Err: named.Err}, *named)
	require.ErrorIs(t, w.VerifyEvent(t.Context(), build(t, "10", within, newKey(t, remote))), ErrUnknownKey)
}

// signs is an event with one more signature.
func signs(t *testing.T, ev *event.Event, server id.ServerName, keyID, signature string) *event.Event {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(ev.JSON(), &members))
	var signatures map[id.ServerName]map[string]string
	require.NoError(t, json.Unmarshal(members["signatures"], &signatures))
	if signatures[server] == nil {
		signatures[server] = map[string]string{}
	}
	if signatures[server][keyID] = signature; signature == "" {
		delete(signatures, server)
	}
	raw, err := json.Marshal(signatures)
	require.NoError(t, err)
	members["signatures"] = raw
	body, err := json.Marshal(members)
	require.NoError(t, err)
	again, err := event.Parse(ev.Version(), body)
	require.NoError(t, err)
	return again
}

func TestOneGoodSignatureOfAServerIsEnough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	ev := build(t, "10", event.Proto{OriginServerTS: ms(start)}, p.keys[0])
	zeros := encodeZeros(64)
	require.NoError(t, w.VerifyEvent(t.Context(), signs(t, ev, remote, "ed25519:0", zeros)))
	require.NoError(t, w.VerifyEvent(t.Context(), signs(t, ev, "other.example", "ed25519:0", zeros)), "nobody asked for it")
	for _, none := range []*event.Event{signs(t, ev, remote, "", ""), signs(t, signs(t, ev, remote, "", ""), remote, "ed25519:a-b", zeros)} {
		err := w.VerifyEvent(t.Context(), none)
		require.ErrorIs(t, err, ErrNoSignature)
		require.ErrorContains(t, err, string(remote))
	}
}

func TestEveryServerThatHasToSignDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, authoriser := w.peer(remote), w.peer("authoriser.example")
	key := "@alice:remote.example"
	ev := build(t, "10", event.Proto{
		Type: "m.room.member", StateKey: &key, OriginServerTS: ms(start),
		Content: json.RawMessage(`{"membership":"join","join_authorised_via_users_server":"@bob:authoriser.example"}`),
	}, p.keys[0])
	err := w.VerifyEvent(t.Context(), ev)
	require.ErrorIs(t, err, ErrNoSignature)
	require.ErrorContains(t, err, "authoriser.example")
	redacted, err := event.Redact(ev.Version(), ev.JSON())
	require.NoError(t, err)
	signed, err := authoriser.keys[0].SignJSON(redacted)
	require.NoError(t, err)
	var both struct {
		Signatures map[id.ServerName]map[string]string `json:"signatures"`
	}
	require.NoError(t, json.Unmarshal(signed, &both))
	keyID := authoriser.keys[0].KeyID()
	require.NoError(t, w.VerifyEvent(t.Context(), signs(t, ev, "authoriser.example", keyID, both.Signatures["authoriser.example"][keyID])))
}

func TestASignatureThatCannotBeCheckedNowIsNoVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	w.want(w.Verifier, p.keys[0], ForEvent, start, nil)
	w.change(func() { p.down = true })
	w.clock.add(repeat)
	// One key is unreachable, the other known and wrong.
	unreachable := newKey(t, remote)
	unreachable.version = "zz" // it is tried last
	wrong := build(t, "10", event.Proto{OriginServerTS: ms(start)}, unreachable)
	err := w.VerifyEvent(t.Context(), signs(t, wrong, remote, p.keys[0].KeyID(), encodeZeros(64)))
	require.ErrorIs(t, err, ErrUnavailable)
}

func TestVerifyRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.peer(remote)
	k, old := p.keys[0], newKey(t, remote)
	p.old[old.KeyID()] = oldVerifyKey{encode(old), ms(start.Add(day))}
	for signer, want := range map[*Key]error{k: nil, old: ErrKeyNotValid, newKey(t, remote): ErrUnknownKey} {
		signed, err := signer.SignJSON([]byte(`{"method":"GET"}`))
		require.NoError(t, err)
		require.ErrorIs(t, w.VerifyRequest(t.Context(), signed, remote, signer.KeyID()), want)
	}
	forged, err := old.SignJSON([]byte(`{"method":"GET"}`))
	require.NoError(t, err)
	err = w.VerifyRequest(t.Context(), forged, remote, k.KeyID())
	require.ErrorIs(t, err, ErrNoSignature)
	require.ErrorAs(t, err, new(*KeyError))
}
