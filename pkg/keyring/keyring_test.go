package keyring_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/keyring"
)

var _ event.Signer = (*keyring.Key)(nil)

// The key of the specification's vectors (appendices, "Cryptographic Test Vectors").
const (
	vectorSeed = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
	vectorFile = "ed25519 1 " + vectorSeed + "\n"
)

func vectorKey(t *testing.T) *keyring.Key {
	k, err := keyring.Parse("domain", []byte(vectorFile))
	require.NoError(t, err)
	return k
}

func TestSpecificationJSONSigning(t *testing.T) {
	t.Parallel()
	k := vectorKey(t)
	require.Equal(t, "ed25519:1", k.KeyID())
	for in, want := range map[string]string{
		`{}`:                       `{"signatures":{"domain":{"ed25519:1":"K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"}}}`,
		`{"one": 1, "two": "Two"}`: `{"one":1,"signatures":{"domain":{"ed25519:1":"KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"}},"two":"Two"}`,
	} {
		got, err := k.SignJSON([]byte(in))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		require.NoError(t, keyring.VerifyJSON(got, "domain", "ed25519:1", k.Public()))
	}
}

func TestSignJSONKeepsOtherSignaturesAndUnsigned(t *testing.T) {
	t.Parallel()
	k := vectorKey(t)
	got, err := k.SignJSON([]byte(`{"a":1,"unsigned":{"age":5},"signatures":{"other":{"ed25519:x":"sig"},"domain":{"ed25519:0":"old"}}}`))
	require.NoError(t, err)
	for _, path := range [][]string{{"unsigned", "age"}, {"signatures", "other", "ed25519:x"}, {"signatures", "domain", "ed25519:0"}} {
		_, ok := canonicaljson.Get(got, path...)
		require.True(t, ok, path)
	}
	require.NoError(t, keyring.VerifyJSON(got, "domain", "ed25519:1", k.Public()))
	changed := bytes.Replace(got, []byte(`"age":5`), []byte(`"age":6`), 1)
	require.NoError(t, keyring.VerifyJSON(changed, "domain", "ed25519:1", k.Public()))

	for _, object := range []string{`[]`, `{`, `{"a":1.5}`, `{"signatures":3}`} {
		_, err := k.SignJSON([]byte(object))
		require.Error(t, err, object)
	}
	got, err = k.SignJSON([]byte(`{"signatures":null}`))
	require.NoError(t, err)
	require.NoError(t, keyring.VerifyJSON(got, "domain", "ed25519:1", k.Public()))
}

func TestVerifyJSONRefuses(t *testing.T) {
	t.Parallel()
	k := vectorKey(t)
	signed, err := k.SignJSON([]byte(`{"one":1}`))
	require.NoError(t, err)
	for _, tt := range []struct {
		object []byte
		server id.ServerName
		keyID  string
		pub    ed25519.PublicKey
		want   error
	}{
		{signed, "other", "ed25519:1", k.Public(), keyring.ErrNoSignature},
		{signed, "domain", "ed25519:2", k.Public(), keyring.ErrNoSignature},
		{[]byte(`{}`), "domain", "ed25519:1", k.Public(), keyring.ErrNoSignature},
		{bytes.Replace(signed, []byte(`"one":1`), []byte(`"one":2`), 1), "domain", "ed25519:1", k.Public(), keyring.ErrSignature},
		{signed, "domain", "ed25519:1", make([]byte, 32), keyring.ErrSignature},
		{signed, "domain", "ed25519:1", nil, keyring.ErrSignature},
		{[]byte(`{"signatures":{"domain":{"ed25519:1":"*"}}}`), "domain", "ed25519:1", k.Public(), keyring.ErrSignature},
		{[]byte(`{"signatures":{"domain":{"rsa:1":"AA"}}}`), "domain", "rsa:1", k.Public(), keyring.ErrNoSignature},
	} {
		require.ErrorIs(t, keyring.VerifyJSON(tt.object, tt.server, tt.keyID, tt.pub), tt.want)
	}
	require.ErrorIs(t, keyring.VerifyJSON([]byte(`{`), "domain", "ed25519:1", k.Public()), canonicaljson.ErrSyntax)
}

func TestSpecificationEventIsBuiltAndVerifies(t *testing.T) {
	t.Parallel()
	k := vectorKey(t)
	version, ok := event.LookupVersion("11")
	require.True(t, ok)
	ev, err := event.Build(version, event.Proto{
		RoomID: "!x:domain", Sender: "@a:domain", Type: "X", Content: json.RawMessage(`{}`), Depth: 3, OriginServerTS: 1000000,
	}, k)
	require.NoError(t, err)
	require.NoError(t, event.VerifySignature(ev, "domain", "ed25519:1", k.Public()))
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	k, err := keyring.Generate("example.org")
	require.NoError(t, err)
	require.Regexp(t, `^ed25519:a_[a-z2-7]{6}$`, k.KeyID())
	require.EqualValues(t, "example.org", k.ServerName())
	again, err := keyring.Parse("example.org", append([]byte("# made by hand\n\n"), k.FileFormat()...))
	require.NoError(t, err)
	require.Equal(t, k.KeyID(), again.KeyID())
	require.Equal(t, k.Public(), again.Public())
	require.Equal(t, k.FileFormat(), again.FileFormat())
	// The seed of the vectors ends in bits that say nothing; they are not kept.
	require.Equal(t, strings.Replace(vectorFile, "XA1", "XA0", 1), string(vectorKey(t).FileFormat()))

	other, err := keyring.Generate("example.org")
	require.NoError(t, err)
	require.NotEqual(t, k.Public(), other.Public())
}

func TestParseRefusesWithoutTellingTheSecret(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"", "\n# nothing\n", vectorSeed, "ed25519 " + vectorSeed, "rsa 1 " + vectorSeed, "ed25519 a-b " + vectorSeed, "ed25519 1 " + vectorSeed + "AA",
		"ed25519 1 *" + vectorSeed, "ed25519 1 " + vectorSeed + " x", vectorFile + vectorFile,
		vectorFile + "ed25519 2 " + vectorSeed,
	} {
		_, err := keyring.Parse("domain", []byte(file))
		require.Error(t, err, file)
		require.NotContains(t, err.Error(), vectorSeed)
	}
}

func TestKeyPrintsAsStars(t *testing.T) {
	t.Parallel()
	k := vectorKey(t)
	seed, err := base64.RawStdEncoding.DecodeString(vectorSeed)
	require.NoError(t, err)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.Equal(t, "***", fmt.Sprintf(format, k), format)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "key", k, "in", struct{ K *keyring.Key }{k})
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", k)
	out, err := json.Marshal(map[string]any{"key": k})
	require.NoError(t, err)
	require.Equal(t, `{"key":"***"}`, string(out))
	for _, text := range []string{log.String(), k.String(), k.GoString()} {
		require.Contains(t, text, "***")
		require.NotContains(t, text, vectorSeed[:42])
		require.NotContains(t, text, fmt.Sprintf("%x", seed))
	}
}

func TestServerKeys(t *testing.T) {
	t.Parallel()
	k := vectorKey(t)
	body, err := keyring.ServerKeys([]*keyring.Key{k}, time.UnixMilli(1700000000000))
	require.NoError(t, err)
	require.NoError(t, keyring.VerifyJSON(body, "domain", k.KeyID(), k.Public()))
	var keys struct {
		ServerName    string                       `json:"server_name"`
		ValidUntilTS  int64                        `json:"valid_until_ts"`
		VerifyKeys    map[string]map[string]string `json:"verify_keys"`
		OldVerifyKeys map[string]any               `json:"old_verify_keys"`
	}
	require.NoError(t, json.Unmarshal(body, &keys))
	require.Equal(t, "domain", keys.ServerName)
	require.EqualValues(t, 1700000000000, keys.ValidUntilTS)
	require.Equal(t, base64.RawStdEncoding.EncodeToString(k.Public()), keys.VerifyKeys["ed25519:1"]["key"])
	require.NotNil(t, keys.OldVerifyKeys)
}
