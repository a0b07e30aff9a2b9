package redact

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsAreTakenOut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, secret string }{
		"password of a URI":       {`connect to postgres://myelin:hunter2@db:5432/myelin failed`, "hunter2"},
		"one with odd characters": {`uri=postgres://myelin:p@ss/w:rd!@db:5432/myelin`, "ss/w"},
		"one without a user":      {`rediss://:hunter2@redis:6379/0`, "hunter2"},
		"one with quotes":         {`dial redis://x:hun"ter2@redis`, "ter2"},
		"libpq":                   {`host=db user=myelin password=hunter2 dbname=x`, "hunter2"},
		"libpq in quotes":         {`host=db password='hunter 2 two' dbname=x`, "2 two"},
		"slog text":               {`level=INFO msg=x shared_secret="hunter 2 \"two\" three" a=b`, "three"},
		"JSON":                    {`{"level":"INFO","access_token":"hunter2"}`, "hunter2"},
		"number":                  {`{"level":"INFO","pin_secret":123456}`, "123456"},
		"nested JSON":             {`{"msg":"x","request":{"auth":{"password":"hunter2"}}}`, "hunter2"},
		"JSON in JSON":            {`{"msg":"bad body {\"password\":\"hunter2\"}"}`, "hunter2"},
		"JSON in text":            {`bad body {"type":"m.login.password","password":"hunter2","x":1}`, "hunter2"},
		"list":                    {`{"registration_tokens":["hunter2"]}`, "hunter2"},
		"header":                  {`Authorization: Bearer hunter2`, "hunter2"},
		"X-Matrix":                {`X-Matrix origin="a.example",key="ed25519:1",sig="aHVudGVy+Mg"`, "aHVudGVy"},
		"query":                   {`GET /sync?access_token=hunter2&timeout=3`, "hunter2"},
		"flag":                    {`args: --registration-shared-secret hunter2 --x`, "hunter2"},
		"flag with =":             {`--internal-credential=hunter2`, "hunter2"},
		"our token":               {`token was myt_AbCdEfGhIjKlMnOpQrStUv here`, "AbCdEfGh"},
		"signing key":             {`ed25519 a_qx7r2k kRmO8Yx0v3y3mJ6Vn4Jw8k2uX2m7rQ0h0G8c3vV2bJc`, "kRmO8Yx0"},
		"hex":                     {`got 0123456789abcdef0123456789abcdef0123456789abcdef`, "0123456789abcdef"},
		"random":                  {`got kRmO8Yx0v3y3mJ6Vn4Jw8k2uX2m7rQ0h0G8c3vV2bJc=`, "kRmO8Yx0"},
		"private key":             {"a\n-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\nb", "hunter2"},
		"private key cut off":     {"a\n-----BEGIN EC PRIVATE KEY-----\nhunter2\n", "hunter2"},
		"known":                   {`said known-one once`, "known-one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := string(New("known-one").Text([]byte(test.text)))
			require.NotContains(t, got, test.secret, got)
			require.Contains(t, got, Gone)
		})
	}
}

func TestWhatPeopleWroteIsTakenOut(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"msg":"x","content":{"body":"see you at eight"}}`,
		`{"msg":"x","event":{"content":{"msgtype":"m.text","body":"see you at eight"}}}`,
		`rejected {"content":{"msgtype":"m.text","body":"see you at eight"},"type":"x"}`,
		`rejected {"type":"x","body":"they said \"see you at eight\""}`,
		`level=WARN msg=x body="see you at eight"`,
		`{"username":"see you at eight","type":"m.login.password"}`,
		`level=WARN msg=x error="cannot store {\"topic\":\"see you at eight\"}"`,
		`{"error":"cannot store {\"topic\":\"see you at eight\"}"}`,
	} {
		require.NotContains(t, string(New().Text([]byte(text))), "at eight", text)
	}
}

func TestNamesHaveOnePseudonym(t *testing.T) {
	t.Parallel()
	room := "!n8f6zgX0PZ1r2JkC9cVqzT7nQm4Lw3KxYbE5sUdHaGo" // of version 12
	text := strings.Join([]string{
		"PUT /rooms/!abc:demo.example/send by @alice:demo.example from 10.1.2.3:4711 and [fd00::17]:8090",
		"PUT /rooms/%21abc%3Ademo.example/send by %40alice%3Ademo.example from ::ffff:10.1.2.3",
		"in " + room + " $n8f6zgX0PZ1r2JkC9cVqzT7nQm4Lw3KxYbE5sUdHaGo #lounge:demo.example alice@mail.example",
	}, "\n")
	r := New()
	got := string(r.Text([]byte(text)))
	for _, name := range []string{"alice", "abc", "10.1.2.3", "fd00", "n8f6zg", "lounge", "mail.example"} {
		require.NotContains(t, got, name)
	}
	require.Equal(t, 2, strings.Count(got, r.pseudonym("user", "@alice:demo.example")), got)
	require.Equal(t, 2, strings.Count(got, r.pseudonym("room", "!abc:demo.example")), got)
	require.Equal(t, 2, strings.Count(got, r.pseudonym("ip", "10.1.2.3")), got)
	require.Contains(t, got, r.pseudonym("ip", "10.1.2.3")+":4711", "ports stay")
	require.NotEqual(t, r.pseudonym("user", "x"), New().pseudonym("user", "x"), "another archive, other pseudonyms")
}

func TestWhatSupportNeedsStays(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`time=2026-01-02T15:04:05.678Z level=WARN msg="could not claim shards" shard=7 epoch=12 worker=3 pod=demo-persister-6d5f4c7b9-x2x9z`,
		`password authentication failed for user "myelin" (SQLSTATE 28P01)`,
		`dial tcp 127.0.0.1:5432: connect: connection refused`,
		`myelin_lease_heartbeat_seconds_bucket{le="0.005"} 1234`,
		`github.com/myelin-hs/myelin/pkg/lease.(*Manager).beat(0xc0001234)`,
		`image: registry/myelin@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef`,
		`the Secret demo-internal has nothing under the key credential`,
		`uid: 0d3e7f0a-2f0b-4b0e-9a53-5a1c7c1f6c11`,
		`{"epoch":9007199254740993,"level":"INFO","pod":"demo-gateway-5c9-abcde"}`,
		`connect to postgres://[redacted]@db-0.chat.svc:5432/myelin: refused`,
		`secretRef: {name: myelin-postgres, key: uri}`,
	} {
		require.Equal(t, text, string(New().Text([]byte(text))))
	}
	value := map[string]any{"spec": map[string]any{"secretRef": map[string]any{"name": "myelin-postgres", "key": "uri"}, "replicas": json.Number("2")}}
	require.Equal(t, value, New().Value(value))
}

func FuzzAKnownSecretNeverGetsThrough(f *testing.F) {
	f.Add(`{"a":"`, `","b":1}`)
	f.Add("password=", " x")
	f.Fuzz(func(t *testing.T, before, after string) {
		const hidden = "tOp-SeCrEt"
		require.NotContains(t, string(New(hidden).Text([]byte(before+hidden+after))), hidden)
	})
}
