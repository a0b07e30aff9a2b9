package persister

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCreateRoomSendAndReadBack(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	got := p.send(t, room, alice, "one")
	require.Equal(t, 200, got.status, got.body)
	require.NotEmpty(t, got.header.Get("X-Myelin-Worker"))
	require.Equal(t, []string{"m.room.create", "m.room.member", "m.room.power_levels", "m.room.join_rules", "m.room.message"},
		p.db.rows(t, "SELECT type FROM event WHERE room_id = $1 ORDER BY position", string(room)))
	require.Equal(t, 4, p.db.count(t, "SELECT count(*) FROM current_state WHERE room_id = $1", string(room)))
	require.Equal(t, 4, p.db.count(t, "SELECT count(*) FROM state_delta WHERE room_id = $1", string(room)))
	require.Equal(t, []string{"join"}, p.db.rows(t, "SELECT membership FROM room_membership WHERE room_id = $1", string(room)))
	require.Equal(t, []string{"DEV one"}, p.db.rows(t, "SELECT device_id || ' ' || txn_id FROM event WHERE event_id = $1", got.text("event_id")))
	// The whole room is one block: all or nothing.
	require.Equal(t, 1, p.db.count(t, "SELECT count(DISTINCT position >> 10) FROM event WHERE room_id = $1 AND type <> 'm.room.message'", string(room)))
}

func TestMembership(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	path := "/rooms/" + string(room)
	who := func(user any) map[string]any { return map[string]any{"user_id": user} }

	require.Equal(t, 403, p.send(t, room, bob, "before").status)
	require.Equal(t, 200, p.post(t, bob, "/join/"+string(room), nil).status)
	require.Equal(t, []string{`Bob`}, p.db.rows(t, `SELECT convert_from(json, 'UTF8')::jsonb #>> '{content,displayname}' FROM event
		WHERE room_id = $1 AND state_key = $2`, string(room), string(bob)))
	require.Equal(t, 200, p.post(t, bob, path+"/join", map[string]any{}).status, "joining again changes nothing")
	require.Equal(t, 1, p.db.count(t, "SELECT count(*) FROM event WHERE room_id = $1 AND state_key = $2", string(room), string(bob)))
	require.Equal(t, 200, p.send(t, room, bob, "in").status)

	require.Equal(t, 403, p.post(t, bob, path+"/kick", who(alice)).status)
	require.Equal(t, 200, p.post(t, alice, path+"/kick", who(bob)).status)
	require.Equal(t, 403, p.send(t, room, bob, "kicked").status)
	require.Equal(t, 403, p.post(t, alice, path+"/kick", who(bob)).status)
	require.Equal(t, 200, p.post(t, alice, path+"/ban", who(bob)).status)
	require.Equal(t, 403, p.post(t, bob, path+"/join", nil).status)
	require.Equal(t, 403, p.post(t, alice, path+"/kick", who(bob)).status, "a kick lifts no ban")
	require.Equal(t, 200, p.post(t, alice, path+"/unban", who(bob)).status)
	require.Equal(t, "M_BAD_STATE", p.post(t, alice, path+"/unban", who(bob)).text("errcode"))

	require.Equal(t, 200, p.post(t, alice, path+"/invite", who(carol)).status)
	require.Equal(t, 200, p.post(t, carol, path+"/leave", nil).status, "rejecting an invite")
	require.Equal(t, 200, p.post(t, carol, path+"/leave", nil).status, "leaving again changes nothing")
	require.Equal(t, "M_NOT_FOUND", p.post(t, alice, path+"/invite", who("@nobody:test.example")).text("errcode"))
	require.Equal(t, 400, p.post(t, alice, path+"/invite", who("@x:elsewhere.example")).status)
	require.Equal(t, []string{"leave"}, p.db.rows(t, "SELECT membership FROM room_membership WHERE user_id = $1", string(carol)))
	require.Equal(t, 404, p.post(t, bob, "/join/!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", nil).status)
	require.Equal(t, 404, p.post(t, bob, "/join/%23alias:test.example", nil).status)
}

func TestRestrictedJoinAdmitsMembersOfTheOtherRoom(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	space := p.newRoom(t)
	room := p.newRoom(t, InitialEvent{"m.room.join_rules", "", json.RawMessage(
		`{"join_rule":"restricted","allow":[{"type":"m.room_membership","room_id":"` + string(space) + `"}]}`)})
	require.Equal(t, 403, p.post(t, bob, "/join/"+string(room), nil).status)
	require.Equal(t, 200, p.post(t, bob, "/join/"+string(space), nil).status)
	got := p.post(t, bob, "/join/"+string(room), nil)
	require.Equal(t, 200, got.status, got.body)
}

func TestStateThatChangesNothingIsTheSameEvent(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	path := "/rooms/" + string(p.newRoom(t)) + "/state/m.room.topic"
	first := p.put(t, alice, path, map[string]any{"topic": "a", "z": 1})
	require.Equal(t, 200, first.status, first.body)
	again := p.put(t, alice, path+"/", `{"z": 1, "topic": "\u0061"}`)
	require.Equal(t, first.text("event_id"), again.text("event_id"))
	other := p.put(t, alice, path+"/", map[string]any{"topic": "b"})
	require.NotEqual(t, first.text("event_id"), other.text("event_id"))
}

func TestBadRequestsChangeNothing(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := "/rooms/" + string(p.newRoom(t))
	before := p.db.count(t, "SELECT count(*) FROM event")
	tests := map[string]struct {
		method, path string
		body         any
		status       int
		code         string
	}{
		"an event that is too large": {"PUT", room + "/send/m.room.message/1", map[string]string{"body": strings.Repeat("x", 65_300)}, 413, "M_TOO_LARGE"},
		"a body that is too large":   {"PUT", room + "/send/m.room.message/1", map[string]string{"body": strings.Repeat("x", 70_000)}, 413, "M_TOO_LARGE"},
		"no JSON":                    {"PUT", room + "/send/m.room.message/1", "{", 400, "M_NOT_JSON"},
		"an array":                   {"PUT", room + "/send/m.room.message/1", "[]", 400, "M_BAD_JSON"},
		"a fraction":                 {"PUT", room + "/send/m.room.message/1", `{"a":1.5}`, 400, "M_BAD_JSON"},
		"a long transaction id":      {"PUT", room + "/send/m.room.message/" + strings.Repeat("x", 256), "{}", 400, "M_INVALID_PARAM"},
		"a long type":                {"PUT", room + "/send/" + strings.Repeat("x", 256) + "/1", "{}", 413, "M_TOO_LARGE"},
		"a second create event":      {"PUT", room + "/state/m.room.create/", "{}", 403, "M_FORBIDDEN"},
		"a member that is no user":   {"PUT", room + "/state/m.room.member/x", `{"membership":"join"}`, 400, "M_BAD_JSON"},
		"a join for another":         {"PUT", room + "/state/m.room.member/" + string(bob), `{"membership":"join"}`, 403, "M_FORBIDDEN"},
		"power levels of text":       {"PUT", room + "/state/m.room.power_levels/", `{"ban":"50"}`, 403, "M_FORBIDDEN"},
		"no room id":                 {"PUT", "/rooms/x/send/m.room.message/1", "{}", 400, "M_INVALID_PARAM"},
		"an invite of nobody":        {"POST", room + "/invite", "{}", 400, "M_MISSING_PARAM"},
		"an invite of no user":       {"POST", room + "/invite", `{"user_id":"x"}`, 400, "M_INVALID_PARAM"},
		"an unknown path":            {"POST", room + "/unknown", "{}", 404, "M_UNRECOGNIZED"},
	}
	for name, tt := range tests {
		got := p.call(t.Context(), alice, nextRequest(), tt.method, "/_matrix/client/v3"+tt.path, tt.body)
		require.Equal(t, tt.status, got.status, "%s: %v", name, got.body)
		require.Equal(t, tt.code, got.text("errcode"), name)
	}
	require.Equal(t, before, p.db.count(t, "SELECT count(*) FROM event"))
}

// A lane looks up keys together with the rooms that it reads: one that Postgres cannot take would keep it from reading
// any room ever again.
func TestTextThatPostgresCannotHoldStopsNoLane(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	const cold = "/rooms/!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	before := p.db.count(t, "SELECT count(*) FROM event")
	for _, path := range []string{
		cold + "/send/m.room.message/%00", cold + "/send/m.room.message/%ff", "/rooms/" + string(room) + "/send/m.room.message/a%00",
		cold + "/send/%00/1", "/rooms/" + string(room) + "/send/a%00/1", "/rooms/" + string(room) + "/send/%ff/1",
		"/rooms/" + string(room) + "/state/%00/", "/rooms/" + string(room) + "/state/x/%00", "/rooms/" + string(room) + "/state/x/%ff",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		got := p.call(ctx, alice, nextRequest(), "PUT", "/_matrix/client/v3"+path, "{}")
		cancel()
		require.Equal(t, 400, got.status, "%s: %v", path, got.body)
		require.Equal(t, "M_INVALID_PARAM", got.text("errcode"), path)
	}
	require.Equal(t, before, p.db.count(t, "SELECT count(*) FROM event"))
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	got := p.call(ctx, alice, nextRequest(), "PUT", "/_matrix/client/v3"+cold+"/send/m.room.message/1", "{}")
	require.Equal(t, 403, got.status, got.body)
}

func TestRoomThatIsNotAllowedIsNotCreatedAtAll(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	bad := newRoomRequest(t, -1, InitialEvent{"m.room.power_levels", "", json.RawMessage(`{"users":{"` + string(alice) + `":100}}`)})
	got := p.call(t.Context(), alice, "r", "POST", CreateRoomPath, bad)
	require.Equal(t, 400, got.status, got.body)
	require.Equal(t, "M_INVALID_ROOM_STATE", got.text("errcode"))
	require.Zero(t, p.db.count(t, "SELECT count(*) FROM event"))
	good := newRoomRequest(t, -1)
	require.Equal(t, 200, p.call(t.Context(), alice, "r", "POST", CreateRoomPath, good).status, "the room that was not, can be")
}

func TestRequestWithoutIdentityIsRefused(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	require.Equal(t, http.StatusUnauthorized, p.call(t.Context(), "", "", "POST", CreateRoomPath, "{}").status)
}
