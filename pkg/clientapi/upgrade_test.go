package clientapi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/store/storetest"
)

func (s *server) upgrade(room id.RoomID, body string) eventauth.MapState {
	s.t.Helper()
	return s.upgradeAs(alice, room, body)
}

func (s *server) upgradeAs(user id.UserID, room id.RoomID, body string) eventauth.MapState {
	s.t.Helper()
	answer := ok[map[string]id.RoomID](s, user, "POST", v3("/rooms/"+string(room)+"/upgrade"), body)
	state, _ := s.built(s.rooms.rooms[len(s.rooms.rooms)-1])
	require.Equal(s.t, state.Event(typeCreate, "").RoomID(), answer["replacement_room"])
	require.Equal(s.t, [2]id.RoomID{room, answer["replacement_room"]}, s.rooms.retired[len(s.rooms.retired)-1])
	return state
}

func TestUpgradeGivesPowerAsTheNewVersionDoes(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	s.accounts(alice, bob)
	old := storetest.NewRoom(t, s.db, alice)
	old.State(alice, typeLevels, "", object{
		"users": object{string(bob): 70, string(carol): 30}, "state_default": 60, "events": object{typeTombstone: 160},
		"notifications": object{"room": 20},
	})
	old.State(alice, typeJoinRules, "", object{"join_rule": "knock_restricted", "allow": []object{{"type": "m.room_membership", "room_id": "!x:y"}}})
	old.State(alice, "org.example", "", object{"stays": "behind"})

	state := s.upgrade(old.ID, `{"new_version":"12","additional_creators":["@bob:test.example"]}`)
	require.Equal(t, []any{string(bob)}, contentOf(t, state, typeCreate, "")["additional_creators"])
	levels := contentOf(t, state, typeLevels, "")
	require.Equal(t, object{string(carol): 30.0}, levels["users"], "creators are not listed")
	require.Equal(t, object{typeTombstone: 160.0}, levels["events"])
	require.Equal(t, object{"room": 20.0}, levels["notifications"])
	require.Equal(t, "knock_restricted", contentOf(t, state, typeJoinRules, "")["join_rule"])
	require.Nil(t, state.Event("org.example", ""))

	v, _ := event.LookupVersion("9")
	state = s.upgrade(old.ID, `{"new_version":"9","additional_creators":["no user id, and ignored"]}`)
	require.NotContains(t, contentOf(t, state, typeCreate, ""), "additional_creators")
	require.Equal(t, object{string(alice): 160.0, string(bob): 70.0, string(carol): 30.0}, contentOf(t, state, typeLevels, "")["users"],
		"who upgrades keeps power over everything")
	require.Equal(t, int64(160), eventauth.LevelsOf(v, state).User(alice))
	require.Equal(t, object{"join_rule": "invite"}, contentOf(t, state, typeJoinRules, ""), "a rule that it does not know lets nobody in")

	bare := storetest.NewRoom(t, s.db, alice)
	state = s.upgrade(bare.ID, `{"new_version":"12"}`)
	require.Equal(t, object{typeTombstone: 150.0}, contentOf(t, state, typeLevels, "")["events"])
}

// Creators are above all levels: in a version where they are not, they must not lose their room to who upgrades it.
func TestUpgradeLeavesCreatorsTheirRoom(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	s.accounts(alice, bob)
	old := storetest.NewRoom(t, s.db, alice)
	old.Member(bob, bob, "join")
	old.State(alice, typeLevels, "", object{"users": object{string(bob): 70}, "events": object{typeTombstone: 70}})
	state := s.upgradeAs(bob, old.ID, `{"new_version":"11"}`)
	require.Equal(t, object{string(alice): 100.0, string(bob): 70.0}, contentOf(t, state, typeLevels, "")["users"])
}

func TestUpgradeRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	s.accounts(alice, bob)
	old := storetest.NewRoom(t, s.db, alice)
	path := v3("/rooms/" + string(old.ID) + "/upgrade")
	s.refused(alice, "POST", path, `{}`, 400, mxerr.CodeMissingParam)
	s.refused(alice, "POST", path, `{"new_version":"x"}`, 400, mxerr.CodeUnsupportedRoomVersion)
	s.refused(alice, "POST", path, `{"new_version":"12","additional_creators":["bob"]}`, 400, mxerr.CodeInvalidParam)
	s.refused(bob, "POST", path, `{"new_version":"12"}`, 403, mxerr.CodeForbidden)
	s.refused(alice, "POST", v3("/rooms/!none:test.example/upgrade"), `{"new_version":"12"}`, 403, mxerr.CodeForbidden)
	old.Member(bob, bob, "join")
	s.refused(bob, "POST", path, `{"new_version":"12"}`, 403, mxerr.CodeForbidden)
	require.Empty(t, s.rooms.rooms)

	s.rooms.err = mxerr.Forbidden("no")
	s.refused(alice, "POST", path, `{"new_version":"12"}`, 403, mxerr.CodeForbidden)
	require.Empty(t, s.rooms.retired, "no tombstone before there is a room that it leads to")
}
