package persister

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
)

func TestKnockInEveryVersion(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, p *testPersister, v *event.Version) {
		room := p.newRoomOf(t, v, InitialEvent{"m.room.join_rules", "", json.RawMessage(`{"join_rule":"knock"}`)})
		path := "/rooms/" + string(room)
		knock := func() reply { return p.post(t, bob, "/knock/"+string(room), map[string]any{"reason": "please"}) }
		who := map[string]any{"user_id": bob}
		if !v.Knocking {
			require.Equal(t, "M_FORBIDDEN", knock().text("errcode"))
			return
		}
		require.Equal(t, string(room), knock().text("room_id"))
		require.Equal(t, 200, knock().status, "knocking again changes nothing")
		require.Equal(t, []string{"knock please Bob"}, p.db.rows(t, `SELECT concat_ws(' ', c ->> 'membership', c ->> 'reason', c ->> 'displayname')
			FROM (SELECT convert_from(json, 'UTF8')::jsonb -> 'content' AS c FROM event WHERE room_id = $1 AND state_key = $2) x`, string(room), string(bob)))
		require.Equal(t, 403, p.post(t, bob, path+"/join", nil).status)
		require.Equal(t, 200, p.post(t, bob, path+"/leave", nil).status, "a knock is taken back")
		require.Equal(t, 200, knock().status)
		require.Equal(t, 200, p.post(t, alice, path+"/kick", who).status, "a knock is refused")
		require.Equal(t, 200, knock().status)
		require.Equal(t, 200, p.post(t, alice, path+"/invite", who).status)
		require.Equal(t, 403, knock().status, "who is invited need not knock")
		require.Equal(t, 200, p.post(t, bob, path+"/join", nil).status)
		require.Equal(t, 200, p.post(t, alice, path+"/ban", who).status)
		require.Equal(t, 403, knock().status)
		requireStored(t, p, v, room)
	})
}

func TestKnockRefuses(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	require.Equal(t, "M_FORBIDDEN", p.post(t, bob, "/knock/"+string(p.newRoom(t)), nil).text("errcode"), "a public room")
	require.Equal(t, "M_NOT_FOUND", p.post(t, bob, "/knock/!none:test.example", nil).text("errcode"))
	require.Equal(t, "M_NOT_FOUND", p.post(t, bob, "/knock/%23alias:test.example", nil).text("errcode"))
}

func TestRestrictedJoinInEveryVersion(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, p *testPersister, v *event.Version) {
		for _, rule := range []string{"restricted", "knock_restricted"} {
			space := p.newRoom(t)
			room := p.newRoomOf(t, v, InitialEvent{"m.room.join_rules", "", json.RawMessage(
				`{"join_rule":"` + rule + `","allow":[{"type":"m.room_membership","room_id":"` + string(space) + `"}]}`)})
			path := "/rooms/" + string(room)
			require.Equal(t, "M_FORBIDDEN", p.post(t, bob, path+"/join", nil).text("errcode"))
			vouched := map[string]any{"membership": "join", "join_authorised_via_users_server": alice}
			require.Equal(t, "M_FORBIDDEN", p.put(t, bob, path+"/state/m.room.member/"+string(bob), vouched).text("errcode"),
				"nobody vouches for himself")
			require.Equal(t, 200, p.post(t, bob, "/join/"+string(space), nil).status)
			if rule == "restricted" && !v.RestrictedJoins || rule == "knock_restricted" && !v.KnockRestricted {
				require.Equal(t, "M_FORBIDDEN", p.post(t, bob, path+"/join", nil).text("errcode"))
				continue
			}
			got := p.post(t, bob, path+"/join", nil)
			require.Equal(t, 200, got.status, got.body)
			vouched["displayname"] = "Robert"
			require.Equal(t, 200, p.put(t, bob, path+"/state/m.room.member/"+string(bob), vouched).status, "who is in may say again how")
			requireStored(t, p, v, room)
		}
	})
}

// Creators have no power of their own before version 12.
func TestRestrictedJoinByTheWordOfSomebodyWhoMayInvite(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	v, _ := event.LookupVersion("9")
	space := p.newRoom(t)
	room := p.newRoomOf(t, v, InitialEvent{"m.room.join_rules", "", json.RawMessage(
		`{"join_rule":"restricted","allow":[{"type":"m.room_membership","room_id":"` + string(space) + `"}]}`)})
	path := "/rooms/" + string(room)
	require.Equal(t, 200, p.post(t, bob, "/join/"+string(space), nil).status)
	require.Equal(t, 200, p.post(t, bob, path+"/join", nil).status)
	require.Equal(t, 200, p.post(t, carol, "/join/"+string(space), nil).status)
	levels := map[string]any{"users": map[string]any{string(alice): 100, string(bob): 100}, "invite": 100}
	require.Equal(t, 200, p.put(t, alice, path+"/state/m.room.power_levels", levels).status)
	levels["users"] = map[string]any{string(bob): 100}
	require.Equal(t, 200, p.put(t, alice, path+"/state/m.room.power_levels", levels).status)
	require.Equal(t, 200, p.post(t, carol, path+"/join", nil).status)
	require.Equal(t, []string{string(bob)}, p.db.rows(t, `SELECT convert_from(json, 'UTF8')::jsonb #>> '{content,join_authorised_via_users_server}'
		FROM event WHERE room_id = $1 AND state_key = $2`, string(room), string(carol)))
	require.Equal(t, 200, p.post(t, bob, path+"/leave", nil).status)
	require.Equal(t, 200, p.post(t, carol, path+"/leave", nil).status)
	require.Equal(t, "M_UNABLE_TO_GRANT_JOIN", p.post(t, carol, path+"/join", nil).text("errcode"))
}
