package persister

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// newRoomRequest is a whole public room of alice's.
func newRoomRequest(t testing.TB, n int, more ...InitialEvent) CreateRoomRequest {
	t.Helper()
	return newRoomRequestOf(t, event.DefaultVersion, n, more...)
}

func newRoomRequestOf(t testing.TB, v *event.Version, n int, more ...InitialEvent) CreateRoomRequest {
	t.Helper()
	empty := ""
	content := map[string]any{"room_version": v.ID}
	p := event.Proto{Sender: alice, Type: "m.room.create", StateKey: &empty, OriginServerTS: int64(1_700_000_000_000 + n)}
	if !v.RoomIDFromCreate {
		p.RoomID = id.RoomID(fmt.Sprintf("!room%d:%s", n, pgtest.ServerName))
	}
	if v.CreatorInContent {
		content["creator"] = alice
	}
	levels := json.RawMessage(`{"users":{},"events":{}}`)
	if !v.PrivilegedCreators {
		levels = json.RawMessage(`{"users":{"` + string(alice) + `":100},"events":{}}`)
	}
	var err error
	p.Content, err = json.Marshal(content)
	require.NoError(t, err)
	create, err := event.Build(v, p, signer)
	require.NoError(t, err)
	return CreateRoomRequest{RoomVersion: v.ID, Create: create.JSON(), Events: append([]InitialEvent{
		{"m.room.member", string(alice), json.RawMessage(`{"membership":"join"}`)},
		{"m.room.power_levels", "", levels},
		{"m.room.join_rules", "", json.RawMessage(`{"join_rule":"public"}`)},
	}, more...)}
}

var roomNumber struct {
	sync.Mutex
	n int
}

// newRoom creates a public room with alice in it.
func (p *testPersister) newRoom(t testing.TB, more ...InitialEvent) id.RoomID {
	t.Helper()
	return p.newRoomOf(t, event.DefaultVersion, more...)
}

func (p *testPersister) newRoomOf(t testing.TB, v *event.Version, more ...InitialEvent) id.RoomID {
	t.Helper()
	roomNumber.Lock()
	roomNumber.n++
	n := roomNumber.n
	roomNumber.Unlock()
	got := p.call(t.Context(), alice, nextRequest(), "POST", CreateRoomPath, newRoomRequestOf(t, v, n, more...))
	require.Equal(t, 200, got.status, got.body)
	return id.RoomID(got.text("room_id"))
}

// roomsOnOneLane creates n rooms, and returns them with their common shard's lane.
func (p *testPersister) rooms(t testing.TB, n int) []id.RoomID {
	t.Helper()
	rooms := make([]id.RoomID, n)
	for i := range rooms {
		rooms[i] = p.newRoom(t)
	}
	return rooms
}
