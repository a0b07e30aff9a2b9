package persister

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
)

func (p *testPersister) retire(t *testing.T, user id.UserID, request string, room id.RoomID) reply {
	t.Helper()
	return p.call(t.Context(), user, request, "POST", RetireRoomPath, RetireRoomRequest{RoomID: room, ReplacementRoom: "!new:test.example"})
}

func (p *testPersister) content(t *testing.T, room id.RoomID, evType string) map[string]any {
	t.Helper()
	raws := p.db.rows(t, `SELECT (convert_from(e.json, 'UTF8')::jsonb -> 'content')::text FROM current_state s
		JOIN event e ON e.event_id = s.event_id WHERE s.room_id = $1 AND s.type = $2 AND s.state_key = ''`, string(room), evType)
	require.Len(t, raws, 1, evType)
	var content map[string]any
	require.NoError(t, json.Unmarshal([]byte(raws[0]), &content))
	return content
}

func TestRetireRoom(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	require.Equal(t, 403, p.retire(t, bob, "r1", room).status)
	require.Equal(t, 403, p.retire(t, bob, "r2", "!none:test.example").status)
	first := p.retire(t, alice, "r3", room)
	require.Equal(t, 200, first.status, first.body)
	again := p.retire(t, alice, "r3", room)
	require.Equal(t, first.text("event_id"), again.text("event_id"), "sent again, it is the same tombstone")
	require.Equal(t, 1, p.db.count(t, "SELECT count(*) FROM event WHERE room_id = $1 AND type = 'm.room.tombstone'", string(room)))
	require.Equal(t, 2, p.db.count(t, "SELECT count(*) FROM event WHERE room_id = $1 AND type = 'm.room.power_levels'", string(room)))
	require.Equal(t, "!new:test.example", p.content(t, room, "m.room.tombstone")["replacement_room"])
	levels := p.content(t, room, "m.room.power_levels")
	require.Equal(t, 50.0, levels["events_default"])
	require.Equal(t, 50.0, levels["invite"])
	require.Equal(t, 1, p.db.count(t, `SELECT count(DISTINCT position >> 10) FROM event
		WHERE room_id = $1 AND type = ANY ('{m.room.tombstone, m.room.power_levels}') AND depth > 4`, string(room)), "both are one block")

	require.Equal(t, 200, p.retire(t, alice, "r4", room).status)
	require.Equal(t, 2, p.db.count(t, "SELECT count(*) FROM event WHERE room_id = $1 AND type = 'm.room.power_levels'", string(room)),
		"a room that is quiet stays as it is")
}

func TestRetireRoomLeavesPowerLevelsToThoseWhoMayChangeThem(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	require.Equal(t, 200, p.post(t, bob, "/join/"+string(room), nil).status)
	levels := map[string]any{
		"users": map[string]any{string(bob): 60}, "users_default": 55, "events": map[string]any{"m.room.power_levels": 100},
	}
	require.Equal(t, 200, p.put(t, alice, "/rooms/"+string(room)+"/state/m.room.power_levels", levels).status)
	require.Equal(t, 200, p.retire(t, bob, "r1", room).status)
	require.NotContains(t, p.content(t, room, "m.room.power_levels"), "invite")
	require.Equal(t, 200, p.retire(t, alice, "r2", room).status)
	require.Equal(t, 56.0, p.content(t, room, "m.room.power_levels")["invite"], "above everybody's level")
}
