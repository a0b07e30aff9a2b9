package persister

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// Contents of member events: as short as they can be, and as clients make them.
const (
	bareMember  = `{"membership":"join"}`
	usualMember = `{"avatar_url":"mxc://hs.example/AbCdEfGhIjKlMnOpQrStUvWx","displayname":"A Member of Rooms","membership":"join"}`
)

const usualLevels = `"ban":50,"events":{"m.room.avatar":50,"m.room.canonical_alias":50,"m.room.encryption":100,
	"m.room.history_visibility":100,"m.room.name":50,"m.room.power_levels":100,"m.room.server_acl":100,"m.room.tombstone":150},
	"events_default":0,"invite":0,"kick":50,"redact":50,"state_default":50,"users_default":0`

func member(n int) id.UserID {
	return id.UserID(fmt.Sprintf("@member-%d:%s", n, signer.ServerName()))
}

// aRoom makes a room of alice and others, and returns it with its events.
func aRoom(t testing.TB, v *event.Version, members int, content string) (*room, []*event.Event) {
	t.Helper()
	created := event.Proto{Sender: alice, Type: "m.room.create", StateKey: new(string), Content: json.RawMessage(`{"room_version":"` + v.ID + `"}`)}
	if v.CreatorInContent {
		created.Content = json.RawMessage(`{"creator":"` + string(alice) + `","room_version":"` + v.ID + `"}`)
	}
	if !v.RoomIDFromCreate {
		created.RoomID = id.RoomID("!a-room-of-the-tests:" + signer.ServerName())
	}
	create, err := event.Build(v, created, signer)
	require.NoError(t, err)
	d := decision{create: create}
	add := func(sender id.UserID, evType, key, content string) {
		d.add = append(d.add, event.Proto{Sender: sender, Type: evType, StateKey: &key, Content: json.RawMessage(content)})
	}
	add(alice, "m.room.member", string(alice), content)
	if v.PrivilegedCreators {
		add(alice, "m.room.power_levels", "", `{`+usualLevels+`}`)
	} else {
		add(alice, "m.room.power_levels", "", `{"users":{"`+string(alice)+`":100},`+usualLevels+`}`)
	}
	add(alice, "m.room.join_rules", "", `{"join_rule":"public"}`)
	add(alice, "m.room.history_visibility", "", `{"history_visibility":"shared"}`)
	for n := range members - 1 {
		add(member(n), "m.room.member", string(member(n)), content)
	}
	r := newRoom(create.RoomID(), 0, 1)
	events, err := forge{signer, time.Now}.extend(r, d)
	require.NoError(t, err)
	return r, events
}

// heap is what is alive.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// This looks at the heap of the process: nothing runs beside it.
func TestTheCacheCountsWhatTheHeapHas(t *testing.T) {
	const rooms, members = 1000, 20
	for name, content := range map[string]string{"bare": bareMember, "usual": usualMember} {
		t.Run(name, func(t *testing.T) {
			one, events := aRoom(t, event.DefaultVersion, members, content)
			c := newCache(rooms, defaultCacheBytes)
			before := heap()
			for n := range rooms {
				// As a room is read, and then written to.
				s := &snapshot{room: id.RoomID(strings.Clone(string(one.id))), version: event.DefaultVersion}
				for _, was := range events {
					ev, err := event.Load(s.version, id.EventID(strings.Clone(string(was.ID()))), bytes.Clone(was.JSON()))
					require.NoError(t, err)
					s.state, s.heads = append(s.state, factOf(s.room, ev)), []head{headOf(ev)}
				}
				r := newRoom(id.RoomID(fmt.Sprintf("!%043d", n)), 0, 1)
				c.put(r)
				r.adopt(s)
				c.resize(r)
				r.id = one.id
				_, err := forge{signer, time.Now}.extend(r, decision{add: []event.Proto{{Sender: alice, Type: "m.room.message", Content: json.RawMessage(`{}`)}}})
				require.NoError(t, err)
				r.id = id.RoomID(fmt.Sprintf("!%043d", n))
				c.resize(r)
			}
			is := heap() - before
			runtime.KeepAlive(events)
			t.Logf("%d bytes a room, counted as %d", is/rooms, c.bytes/rooms)
			t.Attr("room.bytes."+name, strconv.Itoa(is/rooms))
			require.InEpsilon(t, is, c.bytes, 0.2)
			require.Len(t, c.rooms, rooms)
			require.Less(t, 10_000*c.bytes/rooms, defaultCacheBytes*9/10, "10,000 such rooms stay, though lanes do not have quite as many each")
		})
	}
}

func TestWhatIsCountedOfARoomFollowsItsState(t *testing.T) {
	t.Parallel()
	r, _ := aRoom(t, event.DefaultVersion, 3, bareMember)
	sum := func() int {
		n := roomOverhead
		for _, f := range r.state {
			n += f.bytes()
		}
		return n
	}
	require.Equal(t, sum(), r.bytes)
	for _, topic := range []string{"", strings.Repeat("long", 1000), "short"} {
		was := r.bytes
		_, err := forge{signer, time.Now}.extend(r, decision{add: []event.Proto{{
			Sender: alice, Type: "m.room.topic", StateKey: new(string), Content: json.RawMessage(`{"topic":"` + topic + `"}`),
		}}})
		require.NoError(t, err)
		require.Equal(t, sum(), r.bytes)
		require.NotEqual(t, was, r.bytes)
	}
	c := newCache(10, 1<<20)
	c.put(r)
	require.Equal(t, r.bytes, c.bytes)
	c.put(&room{id: "!other", bytes: 7})
	r.bytes += 1000
	c.resize(r)
	require.Equal(t, r.bytes+7, c.bytes)
	c.drop(r)
	require.Equal(t, 7, c.bytes)
	r.bytes++
	c.resize(r)
	require.Equal(t, 7, c.bytes, "it is not there any more")
	c.put(r)
	require.Equal(t, r.bytes+7, c.bytes, "and may come back")
}

func TestNewPowerLevelsCountAtOnce(t *testing.T) {
	t.Parallel()
	r, _ := aRoom(t, event.DefaultVersion, 2, bareMember)
	say := decision{add: []event.Proto{{Sender: member(0), Type: "m.room.message", Content: json.RawMessage(`{}`)}}}
	f := forge{signer, time.Now}
	_, err := f.extend(r, say)
	require.NoError(t, err)
	_, err = f.extend(r, decision{add: []event.Proto{{
		Sender: alice, Type: "m.room.power_levels", StateKey: new(string), Content: json.RawMessage(`{"events_default":50}`),
	}}})
	require.NoError(t, err)
	_, err = f.extend(r, say)
	require.Error(t, err)
}

// Neither does the check of a message allocate when the room is what its owner remembers.
func TestAuthorisingAMessageAllocatesNothing(t *testing.T) {
	for _, v := range event.Versions {
		r, _ := aRoom(t, v, 2, bareMember)
		ev, err := forge{signer, time.Now}.build(r, event.Proto{Sender: member(0), Type: "m.room.message", Content: json.RawMessage(`{}`)})
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(10, func() {
			if err := eventauth.Check(v, ev, r); err != nil {
				t.Fatal(err)
			}
		}), v.ID)
	}
}

// BenchmarkAuthorise is the check of a message in a room of a thousand members.
func BenchmarkAuthorise(b *testing.B) {
	r, _ := aRoom(b, event.DefaultVersion, 1000, usualMember)
	var messages []*event.Event
	for n := range 999 {
		ev, err := forge{signer, time.Now}.build(r, event.Proto{Sender: member(n), Type: "m.room.message", Content: json.RawMessage(`{}`)})
		require.NoError(b, err)
		messages = append(messages, ev)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := eventauth.Check(r.version, messages[n%len(messages)], r); err != nil {
			b.Fatal(err)
		}
		n++
	}
}
