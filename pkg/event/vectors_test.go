package event

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

// The vectors of the specification (appendices, "Event Signing") are older than room versions. They have the redaction
// of the first versions; the one that is a whole event has no event_id, as in version 3.
var redactionOfVectors, formatOfVectors = mustLookup("1"), mustLookup("3")

func vectorKey(t testing.TB) ed25519.PrivateKey {
	seed, err := decodeBase64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
	require.NoError(t, err)
	return ed25519.NewKeyFromSeed(seed)
}

func TestSpecificationEventSigning(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, hash, signature string }{
		{
			"minimal",
			`{"room_id":"!x:domain","sender":"@a:domain","origin":"domain","origin_server_ts":1000000,"signatures":{},"hashes":{},"type":"X","content":{},"prev_events":[],"auth_events":[],"depth":3,"unsigned":{"age_ts":1000000}}`,
			"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
			"KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
		},
		{
			"redactable",
			`{"content":{"body":"Here is the message content"},"event_id":"$0:domain","origin":"domain","origin_server_ts":1000000,"type":"m.room.message","room_id":"!r:domain","sender":"@u:domain","signatures":{},"unsigned":{"age_ts":1000000}}`,
			"onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
			"Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ev, err := canonicaljson.Canonicalize([]byte(tt.in))
			require.NoError(t, err)

			sum := sha256.Sum256(without(without(without(ev, "unsigned"), "signatures"), "hashes"))
			require.Equal(t, tt.hash, base64.RawStdEncoding.EncodeToString(sum[:]))

			hashed, err := canonicaljson.Canonicalize(append(appendHashes(without(ev, "hashes")[:len(without(ev, "hashes"))-1], []byte(tt.hash)), '}'))
			require.NoError(t, err)
			redacted, err := Redact(redactionOfVectors, hashed)
			require.NoError(t, err)
			signature := ed25519.Sign(vectorKey(t), without(redacted, "signatures"))
			require.Equal(t, tt.signature, base64.RawStdEncoding.EncodeToString(signature))
		})
	}
}

func TestSpecificationSignedEventVerifies(t *testing.T) {
	t.Parallel()
	ev, err := Parse(formatOfVectors, []byte(`{"auth_events":[],"content":{},"depth":3,"hashes":{"sha256":"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"},
		"origin":"domain","origin_server_ts":1000000,"prev_events":[],"room_id":"!x:domain","sender":"@a:domain",
		"signatures":{"domain":{"ed25519:1":"KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"}},
		"type":"X","unsigned":{"age_ts":1000000}}`))
	require.NoError(t, err)
	require.NoError(t, VerifyHash(ev))
	pub := vectorKey(t).Public().(ed25519.PublicKey)
	require.NoError(t, VerifySignature(ev, "domain", "ed25519:1", pub))
	require.ErrorIs(t, VerifySignature(ev, "other", "ed25519:1", pub), ErrNoSignature)
	require.ErrorIs(t, VerifySignature(ev, "domain", "ed25519:2", pub), ErrNoSignature)
	require.ErrorIs(t, VerifySignature(ev, "domain", "ed25519:1", make([]byte, 32)), ErrSignature)
}
