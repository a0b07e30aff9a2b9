package event_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A witness signs in another server's name.
type witness struct {
	signer
	server id.ServerName
	keyID  string
}

func (w witness) ServerName() id.ServerName { return w.server }
func (w witness) KeyID() string             { return w.keyID }

func newWitness(seed byte, server id.ServerName, keyID string) witness {
	return witness{signer{ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))}, server, keyID}
}

func TestSignAddsASignature(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, v *event.Version, _ func(string) bool) {
		p := proto(v)
		p.Type, p.StateKey, p.Content = "m.room.member", ptr("@b:b.example"), json.RawMessage(`{"membership":"invite","reason":"x"}`)
		s := newSigner()
		built, err := event.Build(v, p, s)
		require.NoError(t, err)
		before := string(built.JSON())

		ev := built
		witnesses := []witness{
			newWitness(1, "z.example", "ed25519:z"), newWitness(2, "b.example", "ed25519:b"), newWitness(3, "b.example", "ed25519:a"),
			newWitness(4, "b.example", "ed25519:b"), // in place of the second
		}
		for _, w := range witnesses {
			ev, err = event.Sign(ev, w)
			require.NoError(t, err)
		}
		require.Equal(t, before, string(built.JSON()), "events do not change")
		require.Equal(t, built.ID(), ev.ID())
		require.NoError(t, event.VerifyHash(ev))
		require.NoError(t, event.VerifySignature(ev, s.ServerName(), s.KeyID(), s.public()))
		for _, i := range []int{0, 2, 3} {
			require.NoError(t, event.VerifySignature(ev, witnesses[i].server, witnesses[i].keyID, witnesses[i].public()))
		}
		require.ErrorIs(t, event.VerifySignature(ev, "b.example", "ed25519:b", witnesses[1].public()), event.ErrSignature)
		require.Equal(t, []string{"ed25519:a", "ed25519:b"}, ev.SigningKeys("b.example"))
		canonical, err := canonicaljson.Canonicalize(ev.JSON())
		require.NoError(t, err)
		require.Equal(t, string(canonical), string(ev.JSON()))
		parsed, err := event.Parse(v, ev.JSON())
		require.NoError(t, err)
		require.Equal(t, ev, parsed)

		// The signature holds for what a redaction leaves.
		redacted, err := event.Redacted(ev)
		require.NoError(t, err)
		require.NoError(t, event.VerifySignature(redacted, "z.example", "ed25519:z", witnesses[0].public()))
	})
}

func TestSignKeepsTheSizeLimit(t *testing.T) {
	t.Parallel()
	p := message()
	p.Content = json.RawMessage(`{"body":""}`)
	small, err := event.Build(event.DefaultVersion, p, newSigner())
	require.NoError(t, err)
	p.Content = json.RawMessage(`{"body":"` + strings.Repeat("x", event.MaxSize-len(small.JSON())) + `"}`)
	largest, err := event.Build(event.DefaultVersion, p, newSigner())
	require.NoError(t, err)
	_, err = event.Sign(largest, newWitness(1, "b.example", "ed25519:b"))
	requireField(t, err, "event")
	require.ErrorIs(t, err, event.ErrTooLarge)
}
