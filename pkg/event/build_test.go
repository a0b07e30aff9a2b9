package event_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

type signer struct{ key ed25519.PrivateKey }

func newSigner() signer { return signer{ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))} }

func (signer) ServerName() id.ServerName    { return "hs.example" }
func (signer) KeyID() string                { return "ed25519:a_test" }
func (s signer) Sign(message []byte) []byte { return ed25519.Sign(s.key, message) }
func (s signer) public() ed25519.PublicKey  { return s.key.Public().(ed25519.PublicKey) }

const (
	room  = id.RoomID("!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	other = id.EventID("$BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB")
)

func ptr(s string) *string { return &s }

func message() event.Proto {
	return event.Proto{
		RoomID: room, Sender: "@alice:hs.example", Type: "m.room.message",
		Content:    json.RawMessage(`{ "msgtype": "m.text", "body": "hi \u00e9 <b>" }`),
		PrevEvents: []id.EventID{other}, AuthEvents: []id.EventID{other, "$CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"},
		Depth: 7, OriginServerTS: 1700000000123,
	}
}

// reference computes the id of an event from the definition, with encoding/json alone.
func reference(t *testing.T, raw []byte, keepContent ...string) string {
	var full map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &full))
	kept := map[string]any{}
	for _, k := range []string{"type", "room_id", "sender", "state_key", "hashes", "depth", "prev_events", "auth_events", "origin_server_ts"} {
		if v, ok := full[k]; ok {
			kept[k] = v
		}
	}
	var content map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(full["content"], &content))
	for k := range content {
		keep := false
		for _, name := range keepContent {
			keep = keep || name == k || name == "*"
		}
		if !keep {
			delete(content, k)
		}
	}
	kept["content"] = content
	b, err := canonicaljson.Encode(kept)
	require.NoError(t, err)
	sum := sha256.Sum256(b)
	return "$" + base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestBuildMessage(t *testing.T) {
	t.Parallel()
	s := newSigner()
	ev, err := event.Build(event.DefaultVersion, message(), s)
	require.NoError(t, err)

	require.Equal(t, reference(t, ev.JSON()), string(ev.ID()))
	require.Equal(t, room, ev.RoomID())
	require.Equal(t, id.UserID("@alice:hs.example"), ev.Sender())
	require.Equal(t, "m.room.message", ev.Type())
	require.False(t, ev.IsState())
	require.EqualValues(t, 7, ev.Depth())
	require.EqualValues(t, 1700000000123, ev.OriginServerTS())
	require.Equal(t, message().PrevEvents, ev.PrevEvents())
	require.Equal(t, message().AuthEvents, ev.AuthEvents())
	require.Equal(t, `{"body":"hi é <b>","msgtype":"m.text"}`, string(ev.Content()))
	require.Empty(t, ev.Membership())
	require.Equal(t, []string{"ed25519:a_test"}, ev.SigningKeys("hs.example"))
	require.True(t, ev.SignedBy("hs.example"))
	require.False(t, ev.SignedBy("other.example"))

	canonical, err := canonicaljson.Canonicalize(ev.JSON())
	require.NoError(t, err)
	require.Equal(t, string(canonical), string(ev.JSON()))
	require.NoError(t, event.VerifyHash(ev))
	require.NoError(t, event.VerifySignature(ev, "hs.example", "ed25519:a_test", s.public()))

	parsed, err := event.Parse(event.DefaultVersion, ev.JSON())
	require.NoError(t, err)
	require.Equal(t, ev, parsed)
	loaded, err := event.Load(event.DefaultVersion, ev.ID(), ev.JSON())
	require.NoError(t, err)
	require.Equal(t, ev, loaded)
}

func TestBuildStateWithOddTexts(t *testing.T) {
	t.Parallel()
	p := message()
	p.Type, p.StateKey, p.Content = "org.example.\"odd\"\n", ptr("key \\ \u0001 é"), json.RawMessage(`{}`)
	ev, err := event.Build(event.DefaultVersion, p, newSigner())
	require.NoError(t, err)
	key, ok := ev.StateKey()
	require.True(t, ok)
	require.Equal(t, *p.StateKey, key)
	require.Equal(t, p.Type, ev.Type())
	require.Equal(t, reference(t, ev.JSON()), string(ev.ID()))
	require.NoError(t, event.VerifyHash(ev))
}

func TestRoomIDOfCreateEvent(t *testing.T) {
	t.Parallel()
	p := event.Proto{Sender: "@alice:hs.example", Type: "m.room.create", StateKey: ptr(""), Content: json.RawMessage(`{"room_version":"12","x":1}`), Depth: 1}
	ev, err := event.Build(event.DefaultVersion, p, newSigner())
	require.NoError(t, err)
	require.True(t, ev.IsCreate())
	require.False(t, ev.HasRoomID())
	require.Equal(t, reference(t, ev.JSON(), "*"), string(ev.ID()))
	require.Equal(t, "!"+string(ev.ID()[1:]), string(ev.RoomID()))
	require.Equal(t, event.RoomIDFromCreate(ev), ev.RoomID())
	_, err = id.ParseRoomID(string(ev.RoomID()))
	require.NoError(t, err)
	require.Contains(t, string(event.ClientFormat(ev, nil, true)), string(ev.RoomID()))

	parsed, err := event.Parse(event.DefaultVersion, ev.JSON())
	require.NoError(t, err)
	require.Equal(t, ev.RoomID(), parsed.RoomID())

	p.RoomID = room
	_, err = event.Build(event.DefaultVersion, p, newSigner())
	requireField(t, err, "room_id")
}

func TestBuildRedaction(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`{}`:                             `{"redacts":"` + string(other) + `"}`,
		`{"reason":"spam"}`:              `{"reason":"spam","redacts":"` + string(other) + `"}`,
		`{"a":1,"z":2}`:                  `{"a":1,"redacts":"` + string(other) + `","z":2}`,
		`{"redacts":"$x","reason":"no"}`: `{"reason":"no","redacts":"` + string(other) + `"}`,
	} {
		p := message()
		p.Type, p.Content, p.Redacts = "m.room.redaction", json.RawMessage(content), other
		ev, err := event.Build(event.DefaultVersion, p, newSigner())
		require.NoError(t, err)
		require.Equal(t, want, string(ev.Content()))
		require.Equal(t, other, ev.Redacts())
		require.Equal(t, reference(t, ev.JSON(), "redacts"), string(ev.ID()))

		var client map[string]any
		require.NoError(t, json.Unmarshal(event.ClientFormat(ev, nil, false), &client))
		require.Equal(t, string(other), client["redacts"])
	}
}

func TestRedactsAtTheTopInOlderVersions(t *testing.T) {
	t.Parallel()
	older := *event.DefaultVersion
	older.RedactsInContent = false
	p := message()
	p.Type, p.Content, p.Redacts = "m.room.redaction", json.RawMessage(`{}`), other
	ev, err := event.Build(&older, p, newSigner())
	require.NoError(t, err)
	require.Equal(t, other, ev.Redacts())
	require.Equal(t, `{}`, string(ev.Content()))
	require.NoError(t, event.VerifyHash(ev))
	var client struct {
		Redacts string
		Content struct{ Redacts string }
	}
	require.NoError(t, json.Unmarshal(event.ClientFormat(ev, nil, false), &client))
	require.Equal(t, string(other), client.Redacts)
	require.Equal(t, string(other), client.Content.Redacts)
}

func requireField(t *testing.T, err error, field string) {
	t.Helper()
	var fieldError *event.FieldError
	require.ErrorAs(t, err, &fieldError)
	require.Equal(t, field, fieldError.Field)
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change   func(*event.Proto)
		field    string
		tooLarge bool
	}{
		"no type":              {func(p *event.Proto) { p.Type = "" }, "type", false},
		"long type":            {func(p *event.Proto) { p.Type = strings.Repeat("t", 256) }, "type", true},
		"type not UTF-8":       {func(p *event.Proto) { p.Type = "\xff" }, "type", false},
		"redacts not UTF-8":    {func(p *event.Proto) { p.Type, p.Redacts = "m.room.redaction", "$\xff" }, "redacts", false},
		"previous not UTF-8":   {func(p *event.Proto) { p.PrevEvents = []id.EventID{"$\xff"} }, "prev_events", false},
		"auth not UTF-8":       {func(p *event.Proto) { p.AuthEvents = []id.EventID{"$\xff"} }, "auth_events", false},
		"long state key":       {func(p *event.Proto) { p.StateKey = ptr(strings.Repeat("k", 256)) }, "state_key", true},
		"long sender":          {func(p *event.Proto) { p.Sender = id.UserID("@" + strings.Repeat("s", 250) + ":hs.example") }, "sender", true},
		"sender of another":    {func(p *event.Proto) { p.Sender = "@alice:other.example" }, "sender", false},
		"sender no user":       {func(p *event.Proto) { p.Sender = "alice:hs.example" }, "sender", false},
		"long room":            {func(p *event.Proto) { p.RoomID = id.RoomID("!" + strings.Repeat("r", 255) + ":x") }, "room_id", true},
		"no room":              {func(p *event.Proto) { p.RoomID = "" }, "room_id", false},
		"bad room":             {func(p *event.Proto) { p.RoomID = "!short" }, "room_id", false},
		"content an array":     {func(p *event.Proto) { p.Content = json.RawMessage(`[]`) }, "content", false},
		"large":                {func(p *event.Proto) { p.Content = json.RawMessage(`{"b":"` + strings.Repeat("x", 65536) + `"}`) }, "event", true},
		"21 previous events":   {func(p *event.Proto) { p.PrevEvents = make21() }, "prev_events", false},
		"11 auth events":       {func(p *event.Proto) { p.AuthEvents = make21()[:11] }, "auth_events", false},
		"negative depth":       {func(p *event.Proto) { p.Depth = -1 }, "depth", false},
		"time before integers": {func(p *event.Proto) { p.OriginServerTS = -1 << 53 }, "origin_server_ts", false},
		"time beyond integers": {func(p *event.Proto) { p.OriginServerTS = 1 << 53 }, "origin_server_ts", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := message()
			tt.change(&p)
			_, err := event.Build(event.DefaultVersion, p, newSigner())
			requireField(t, err, tt.field)
			if tt.tooLarge {
				require.ErrorIs(t, err, event.ErrTooLarge)
			} else {
				require.NotErrorIs(t, err, event.ErrTooLarge)
			}
		})
	}
	p := message()
	p.Content = json.RawMessage(`{"a":1.5}`)
	_, err := event.Build(event.DefaultVersion, p, newSigner())
	require.ErrorIs(t, err, canonicaljson.ErrNumber)
}

func make21() []id.EventID {
	ids := make([]id.EventID, 21)
	for i := range ids {
		ids[i] = other
	}
	return ids
}

func TestSizeLimitIsExact(t *testing.T) {
	t.Parallel()
	p := message()
	build := func(n int) (*event.Event, error) {
		p.Content = json.RawMessage(`{"b":"` + strings.Repeat("x", n) + `"}`)
		return event.Build(event.DefaultVersion, p, newSigner())
	}
	ev, err := build(0)
	require.NoError(t, err)
	room := event.MaxSize - len(ev.JSON())
	ev, err = build(room)
	require.NoError(t, err)
	require.Len(t, ev.JSON(), event.MaxSize)
	_, err = build(room + 1)
	require.ErrorIs(t, err, event.ErrTooLarge)
}

func TestBuildAcceptsTheBounds(t *testing.T) {
	t.Parallel()
	for _, ts := range []int64{canonicaljson.MaxInt, -canonicaljson.MaxInt} {
		p := message()
		p.OriginServerTS, p.Depth = ts, 0
		ev, err := event.Build(event.DefaultVersion, p, newSigner())
		require.NoError(t, err)
		require.Equal(t, ts, ev.OriginServerTS())
	}
	older := *event.DefaultVersion
	older.RedactsInContent = false
	ev, err := event.Build(&older, message(), newSigner())
	require.NoError(t, err)
	require.NotContains(t, string(ev.JSON()), "redacts")
}

func TestDepthStopsAtItsLimit(t *testing.T) {
	t.Parallel()
	p := message()
	p.Depth = canonicaljson.MaxInt + 5
	ev, err := event.Build(event.DefaultVersion, p, newSigner())
	require.NoError(t, err)
	require.EqualValues(t, canonicaljson.MaxInt, ev.Depth())
}

func BenchmarkBuild(b *testing.B) {
	p, s := message(), newSigner()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Build(event.DefaultVersion, p, s); err != nil {
			b.Fatal(err)
		}
	}
}

type noSigner struct{ signer }

func (noSigner) Sign([]byte) []byte { return make([]byte, 64) }

// BenchmarkBuildWithoutSigning shows what is ours: the signature takes most of the time.
func BenchmarkBuildWithoutSigning(b *testing.B) {
	p := message()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Build(event.DefaultVersion, p, noSigner{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	ev, err := event.Build(event.DefaultVersion, message(), newSigner())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Parse(ev.Version(), ev.JSON()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	ev, err := event.Build(event.DefaultVersion, message(), newSigner())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Load(ev.Version(), ev.ID(), ev.JSON()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClientFormat(b *testing.B) {
	ev, err := event.Build(event.DefaultVersion, message(), newSigner())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		event.ClientFormat(ev, nil, false)
	}
}
