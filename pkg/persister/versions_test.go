package persister

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// eachVersion runs a scenario in a room of every version, on one persister.
func eachVersion(t *testing.T, scenario func(*testing.T, *testPersister, *event.Version)) {
	t.Helper()
	p := newPersister(t)
	for _, v := range event.Versions {
		t.Run("version "+v.ID, func(t *testing.T) { scenario(t, p, v) })
	}
}

func TestRoomsOfEveryVersion(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, p *testPersister, v *event.Version) {
		room := p.newRoomOf(t, v)
		path := "/rooms/" + string(room)
		who := func(user id.UserID) map[string]any { return map[string]any{"user_id": user} }

		require.Equal(t, 403, p.send(t, room, bob, "outside").status)
		require.Equal(t, 200, p.post(t, bob, "/join/"+string(room), nil).status)
		require.Equal(t, 200, p.send(t, room, bob, "inside").status)
		require.Equal(t, 403, p.put(t, bob, path+"/state/m.room.topic", map[string]any{"topic": "no"}).status)
		require.Equal(t, 200, p.put(t, alice, path+"/state/m.room.topic", map[string]any{"topic": "yes"}).status)

		levels := map[string]any{"users": map[string]any{string(bob): 60}, "events_default": 10}
		if !v.PrivilegedCreators {
			levels["users"].(map[string]any)[string(alice)] = 100
		}
		require.Equal(t, 200, p.put(t, alice, path+"/state/m.room.power_levels", levels).status)
		require.Equal(t, 200, p.put(t, bob, path+"/state/m.room.topic", map[string]any{"topic": "mine now"}).status)
		levels["users"].(map[string]any)[string(bob)] = 101
		require.Equal(t, 403, p.put(t, bob, path+"/state/m.room.power_levels", levels).status)

		require.Equal(t, 200, p.post(t, carol, "/join/"+string(room), nil).status)
		require.Equal(t, 403, p.send(t, room, carol, "low").status)
		require.Equal(t, 403, p.post(t, carol, path+"/kick", who(bob)).status)
		require.Equal(t, 200, p.post(t, bob, path+"/kick", who(carol)).status)
		require.Equal(t, 200, p.post(t, bob, path+"/ban", who(carol)).status)
		require.Equal(t, 403, p.post(t, carol, "/join/"+string(room), nil).status)
		require.Equal(t, 200, p.post(t, bob, path+"/unban", who(carol)).status)
		require.Equal(t, 200, p.post(t, carol, "/join/"+string(room), nil).status)
		requireStored(t, p, v, room)
	})
}

// requireStored checks that the stored events of a room are what their version says: read back as if they came from
// elsewhere they have their ids, hashes, signatures and references.
func requireStored(t *testing.T, p *testPersister, v *event.Version, room id.RoomID) {
	t.Helper()
	all := p.stored(t, v, room)
	require.NotEmpty(t, all)
	known := map[id.EventID]*event.Event{}
	for i, ev := range all {
		again, err := event.Parse(v, ev.JSON())
		require.NoError(t, err)
		require.Equal(t, ev.ID(), again.ID())
		require.Equal(t, room, again.RoomID())
		require.NoError(t, event.VerifyHash(again))
		require.NoError(t, event.VerifySignature(again, pgtest.ServerName, signer.KeyID(), signer.private.Public().(ed25519.PublicKey)))
		if i > 0 {
			require.Equal(t, []id.EventID{all[i-1].ID()}, ev.PrevEvents())
		}
		for _, auth := range ev.AuthEvents() {
			require.Contains(t, known, auth)
		}
		if v.EventIDInEvent && i > 0 {
			var refs struct {
				Prev [][2]json.RawMessage `json:"prev_events"`
			}
			require.NoError(t, json.Unmarshal(ev.JSON(), &refs))
			var hashes struct{ SHA256 string }
			require.NoError(t, json.Unmarshal(refs.Prev[0][1], &hashes))
			require.Equal(t, base64.RawStdEncoding.EncodeToString(event.ReferenceHash(all[i-1])), hashes.SHA256)
		}
		known[ev.ID()] = ev
	}
}

// stored returns the events of a room in their order.
func (p *testPersister) stored(t *testing.T, v *event.Version, room id.RoomID) []*event.Event {
	t.Helper()
	rows, err := p.db.pool.Query(t.Context(), "SELECT event_id, json FROM event WHERE room_id = $1 ORDER BY position", string(room))
	require.NoError(t, err)
	defer rows.Close()
	var all []*event.Event
	for rows.Next() {
		var eventID string
		var raw []byte
		require.NoError(t, rows.Scan(&eventID, &raw))
		ev, err := event.Load(v, id.EventID(eventID), raw)
		require.NoError(t, err)
		all = append(all, ev)
	}
	require.NoError(t, rows.Err())
	return all
}

// What a worker reads of a room that another wrote is what that one had in memory.
func TestStateOfEveryVersionAfterAHandoff(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	first := d.start(t, d.join(t), nil)
	rooms := map[*event.Version]id.RoomID{}
	before := map[*event.Version]map[string]id.EventID{}
	for _, v := range event.Versions {
		room := first.newRoomOf(t, v)
		require.Equal(t, 200, first.put(t, alice, "/rooms/"+string(room)+"/state/m.room.name", map[string]any{"name": v.ID}).status)
		require.Equal(t, 200, first.send(t, room, alice, "before").status)
		rooms[v], before[v] = room, first.remembered(room)
	}
	require.NoError(t, first.stop())
	second := d.start(t, d.join(t), nil)
	for _, v := range event.Versions {
		require.Equal(t, 200, second.send(t, rooms[v], alice, "after").status, v.ID)
	}
	require.NoError(t, second.stop())
	for _, v := range event.Versions {
		require.Equal(t, before[v], second.remembered(rooms[v]), v.ID)
		requireStored(t, second, v, rooms[v])
	}
}

// remembered is the state that a persister has in memory. It must be idle.
func (p *testPersister) remembered(room id.RoomID) map[string]id.EventID {
	state := map[string]id.EventID{}
	r := p.lane(p.leases.ShardOf(room)).rooms.rooms[room]
	for _, f := range r.state {
		state[f.place().Type+"\x00"+f.place().StateKey] = f.ID()
	}
	return state
}

func TestRoomIDThatIsTakenMakesNoSecondRoom(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	v, _ := event.LookupVersion("11")
	one := newRoomRequestOf(t, v, 1)
	require.Equal(t, 200, p.call(t.Context(), alice, "a", "POST", CreateRoomPath, one).status)
	require.Equal(t, 200, p.call(t.Context(), alice, "b", "POST", CreateRoomPath, one).status, "the same create event is the same room")
	other := newRoomRequestOf(t, v, 1)
	create, err := event.Build(v, event.Proto{
		RoomID: id.RoomID("!room1:" + pgtest.ServerName), Sender: alice, Type: "m.room.create", StateKey: new(string),
		OriginServerTS: 5, Content: json.RawMessage(`{"room_version":"11"}`),
	}, signer)
	require.NoError(t, err)
	other.Create = create.JSON()
	require.Equal(t, "M_ROOM_IN_USE", p.call(t.Context(), alice, "c", "POST", CreateRoomPath, other).text("errcode"))
	require.Equal(t, 1, p.db.count(t, "SELECT count(*) FROM room"))
}

// The gateway sends a request again when it did not hear the answer; the client role may make another create event then.
func TestCreateRoomSentAgainIsTheFirstRoom(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	for n, v := range event.Versions {
		request := nextRequest()
		first := p.call(t.Context(), alice, request, "POST", CreateRoomPath, newRoomRequestOf(t, v, 100+2*n))
		require.Equal(t, 200, first.status, first.body)
		again := p.call(t.Context(), alice, request, "POST", CreateRoomPath, newRoomRequestOf(t, v, 101+2*n))
		require.Equal(t, 200, again.status, again.body)
		require.Equal(t, first.text("room_id"), again.text("room_id"), v.ID)
		require.Equal(t, 1, p.db.count(t, "SELECT count(*) FROM room WHERE room_id = $1", again.text("room_id")), v.ID)
	}
	require.Equal(t, len(event.Versions), p.db.count(t, "SELECT count(*) FROM room"))

	// While workers are replaced, the first may have been one that answered with the create event.
	first := p.call(t.Context(), alice, "old", "POST", CreateRoomPath, newRoomRequest(t, 1))
	p.db.exec(t, "UPDATE request_dedupe SET event_id = '$' || substr(event_id, 2) WHERE txn_id = 'old'")
	require.NoError(t, p.stop())
	q := p.db.start(t, p.db.join(t), nil)
	again := q.call(t.Context(), alice, "old", "POST", CreateRoomPath, newRoomRequest(t, 2))
	require.Equal(t, first.text("room_id"), again.text("room_id"))
}

// Numbers that are not integers are for versions without strict canonical JSON.
func TestFractionsAreForOldVersions(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, p *testPersister, v *event.Version) {
		room := p.newRoomOf(t, v)
		got := p.put(t, alice, "/rooms/"+string(room)+"/send/m.test/1", `{"pi": 3.140, "big": 123456789012345678901234567890}`)
		if v.StrictCanonicalJSON {
			require.Equal(t, "M_BAD_JSON", got.text("errcode"))
			return
		}
		require.Equal(t, 200, got.status, got.body)
		requireStored(t, p, v, room)
	})
}
