package keyring

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
)

func encode(k *Key) string { return base64.RawStdEncoding.EncodeToString(k.Public()) }

// say is an answer that k signed, whatever it says.
func say(t *testing.T, k *Key, members map[string]any) []byte {
	body, err := json.Marshal(members)
	require.NoError(t, err)
	body, err = k.SignJSON(body)
	require.NoError(t, err)
	return body
}

func TestAnswersThatAreRefused(t *testing.T) {
	t.Parallel()
	k, other := newKey(t, remote), newKey(t, remote)
	good := map[string]any{
		"server_name": remote, "valid_until_ts": ms(start.Add(day)),
		"verify_keys": map[string]any{k.KeyID(): verifyKey{encode(k)}},
	}
	with := func(name string, value any) []byte {
		m := maps.Clone(good)
		if m[name] = value; value == nil {
			delete(m, name)
		}
		return say(t, k, m)
	}
	many := map[string]any{}
	for i := range maxKeys {
		many[fmt.Sprintf("ed25519:%d", i)] = oldVerifyKey{encode(other), 1}
	}
	r, err := readResponse(with("more", 1), remote, start)
	require.NoError(t, err)
	require.Len(t, r.keys, 1)

	stranger := newKey(t, "stranger.example")
	stranger.version = k.version
	tests := map[string]struct {
		body []byte
		want string
	}{
		"not JSON":                 {[]byte(`{`), "body"},
		"an array":                 {[]byte(`[]`), "body"},
		"a key twice":              {[]byte(`{"server_name":"a","server_name":"b"}`), "body"},
		"of another server":        {with("server_name", "other.example"), "server_name"},
		"without server_name":      {with("server_name", nil), "server_name"},
		"server_name is a number":  {with("server_name", 1), "server_name"},
		"without valid_until_ts":   {with("valid_until_ts", nil), "valid_until_ts"},
		"without keys":             {with("verify_keys", nil), "signatures"},
		"signed by another key":    {say(t, other, good), "signatures"},
		"in another server's name": {say(t, stranger, good), "signatures"},
		"changed after signing":    {[]byte(strings.Replace(string(with("a", "b")), `"a":"b"`, `"a":"c"`, 1)), "signatures." + k.KeyID()},
		"a key of another length":  {with("verify_keys", map[string]any{k.KeyID(): verifyKey{"AAAA"}}), "verify_keys." + k.KeyID()},
		"an old key not in base64": {with("old_verify_keys", map[string]any{"ed25519:o": oldVerifyKey{"*", 1}}), "old_verify_keys.ed25519:o"},
		"an old key not expired":   {with("old_verify_keys", map[string]any{"ed25519:o": oldVerifyKey{encode(other), 0}}), "expired_ts"},
		"a signature of no server": {[]byte(strings.Replace(string(with("a", "b")), `"signatures":{`, `"signatures":{"x":5,`, 1)), "signatures"},
		"too many keys":            {with("old_verify_keys", many), "verify_keys"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readResponse(tt.body, remote, start)
			require.ErrorIs(t, err, ErrResponse)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestWhatAnAnswerHasBesidesItsKeysIsPassedOver(t *testing.T) {
	t.Parallel()
	k, silent, old := newKey(t, remote), newKey(t, remote), newKey(t, remote)
	r, err := readResponse(say(t, k, map[string]any{
		"server_name": remote, "valid_until_ts": ms(start.Add(30 * day)),
		"verify_keys": map[string]any{
			k.KeyID(): verifyKey{encode(k)}, silent.KeyID(): verifyKey{encode(silent)}, "rsa:1": verifyKey{"?"}, "ed25519:a-b": verifyKey{"?"},
		},
		"old_verify_keys": map[string]any{
			old.KeyID(): oldVerifyKey{encode(old), 5}, "rsa:2": oldVerifyKey{"?", 0}, k.KeyID(): oldVerifyKey{encode(k), 1},
		},
	}), remote, start)
	require.NoError(t, err)
	require.Equal(t, ms(start.Add(maxValidity)), r.asOf)
	require.Len(t, r.keys, 2, "a key that did not sign shows nothing")
	require.Equal(t, []any{k.KeyID(), int64(0), old.KeyID(), int64(5)}, []any{r.keys[0].keyID, r.keys[0].expired, r.keys[1].keyID, r.keys[1].expired})
}

func TestAServersAnswerIsBoundedAndItsOwn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer func([]byte) (int, []byte)
		want   string
	}{
		"an error":                 {func([]byte) (int, []byte) { return 500, nil }, "500"},
		"a redirect":               {func([]byte) (int, []byte) { return http.StatusFound, nil }, "302"},
		"larger than is read":      {func(b []byte) (int, []byte) { return 200, append(b, make([]byte, maxResponse)...) }, "larger"},
		"spaces larger than that":  {func(b []byte) (int, []byte) { return 200, append(b, strings.Repeat(" ", maxResponse)...) }, "larger"},
		"what another server says": {func([]byte) (int, []byte) { return 200, []byte(`{"server_name":"x.example"}`) }, "server_name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.peer(remote)
			p.answer = tt.answer
			w.want(w.Verifier, p.keys[0], ForOldEvent, start, ErrUnavailable)
			_, err := w.Key(t.Context(), Lookup{Server: remote, KeyID: p.keys[0].KeyID()})
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, 1, p.asked)
		})
	}
}

func TestDirectURL(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]string{
		"a.example": "https://a.example:8448", "a.example:443": "https://a.example:443", "1.2.3.4": "https://1.2.3.4:8448",
		"[::1]": "https://[::1]:8448", "[::1]:443": "https://[::1]:443",
	} {
		got, err := DirectURL(t.Context(), id.ServerName(server))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func encodeZeros(n int) string { return base64.RawStdEncoding.EncodeToString(make([]byte, n)) }
