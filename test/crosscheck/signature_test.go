package crosscheck

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/keyring"
)

const server = "here.example:8448"

// A pair is a key that both sides have.
type pair struct {
	ours            *keyring.Key
	version, secret string
}

func (g *generator) key(t *testing.T) pair {
	t.Helper()
	seed := make([]byte, 32)
	for i := range seed {
		seed[i] = byte(g.r.Uint32())
	}
	p := pair{version: g.one("1", "a_Zz09", "auto"), secret: base64.RawStdEncoding.EncodeToString(seed)}
	var err error
	p.ours, err = keyring.Parse(server, fmt.Appendf(nil, "ed25519 %s %s\n", p.version, p.secret))
	require.NoError(t, err)
	return p
}

// sign and check are questions about this key.
func (p pair) sign(q question) question {
	q.Server, q.KeyVersion, q.Seed = server, p.version, p.secret
	return q
}

func (p pair) check(q question) question {
	q.Server, q.KeyVersion, q.Public = server, p.version, base64.RawStdEncoding.EncodeToString(p.ours.Public())
	return q
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	python, g := newPeer(t), newGenerator(t)
	for range *values {
		key := g.key(t)
		given := map[string]string{
			"signatures": g.one(absent, `{}`, `{"other":{"ed25519:1":"c2ln"}}`, `{"here.example:8448":{"ed25519:0":"b2xk"}}`),
			"unsigned":   g.one(absent, `{}`, `{"age":7}`),
		}
		raw := []byte(g.object(given))

		theirs := python.ask(key.sign(question{Ask: "sign", Raw: raw}))
		require.Empty(t, theirs.Refusal, "%q", raw)
		require.NoError(t, keyring.VerifyJSON(theirs.Out, server, key.ours.KeyID(), key.ours.Public()), "%q", raw)

		ours, err := key.ours.SignJSON(raw)
		require.NoError(t, err, "%q", raw)
		require.Empty(t, python.ask(key.check(question{Ask: "verify", Raw: ours})).Refusal, "%q", raw)
		require.Equal(t, string(theirs.Out), string(ours), "%q", raw)

		// Both hold to the same bytes: with another member in it, neither takes the signature.
		given["signatures"], given["changed"] = signaturesOf(t, ours), "1"
		raw = []byte(g.object(given))
		require.NotEmpty(t, python.ask(key.check(question{Ask: "verify", Raw: raw})).Refusal, "%q", raw)
		require.ErrorIs(t, keyring.VerifyJSON(raw, id.ServerName(server), key.ours.KeyID(), key.ours.Public()), keyring.ErrSignature, "%q", raw)
	}
}

func signaturesOf(t *testing.T, object []byte) string {
	t.Helper()
	signatures, ok := canonicaljson.Get(object, "signatures")
	require.True(t, ok)
	return string(signatures)
}
