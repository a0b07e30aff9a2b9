package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
)

// What people do in rooms, by the client-server API, on a whole homeserver, in every version.
func TestRoomsOfEveryVersion(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	alice, bob, carol := h.register(t, "alice"), h.register(t, "bob"), h.register(t, "carol")
	for _, v := range event.Versions {
		t.Run("version "+v.ID, func(t *testing.T) {
			s := scenario{t, v, alice.of(t), bob.of(t), carol.of(t)}
			t.Run("people", s.people)
			t.Run("upgrade", s.upgrade)
		})
	}
}

type scenario struct {
	t                 *testing.T
	v                 *event.Version
	alice, bob, carol *person
}

func (s scenario) create(body object) string {
	s.t.Helper()
	body["room_version"] = s.v.ID
	return s.alice.ok("POST", "/createRoom", body)["room_id"].(string)
}

// levels is the content of power levels in which alice may do everything.
func (s scenario) levels(content object) object {
	users := object{}
	if given, ok := content["users"].(object); ok {
		users = given
	}
	if !s.v.PrivilegedCreators {
		users[string(s.alice.id)] = 100
	}
	content["users"] = users
	return content
}

func (s scenario) people(t *testing.T) {
	room := s.create(object{"preset": "public_chat", "name": "A room"})
	require.Equal(t, s.v.ID, s.alice.get(room, "m.room.create")["room_version"])
	who := object{"user_id": s.bob.id}
	s.bob.refused(403, "M_FORBIDDEN", "PUT", in(room, "send", "m.room.message", "t"), object{"body": "outside"})
	s.bob.ok("POST", in(room, "join"), object{})
	said := s.bob.send(room, "m.room.message", object{"msgtype": "m.text", "body": "hello"})
	require.Equal(t, "hello", s.alice.ok("GET", in(room, "event", said), nil)["content"].(object)["body"])

	s.bob.refused(403, "M_FORBIDDEN", "PUT", in(room, "state", "m.room.topic"), object{"topic": "x"})
	s.alice.set(room, "m.room.power_levels", s.levels(object{"users": object{string(s.bob.id): 60}}))
	s.bob.set(room, "m.room.topic", object{"topic": "x"})
	require.Equal(t, "x", s.alice.get(room, "m.room.topic")["topic"])

	s.carol.ok("POST", in(room, "join"), object{})
	s.carol.refused(403, "M_FORBIDDEN", "POST", in(room, "kick"), who)
	who["user_id"] = s.carol.id
	s.bob.ok("POST", in(room, "kick"), who)
	s.bob.ok("POST", in(room, "ban"), who)
	s.carol.refused(403, "M_FORBIDDEN", "POST", in(room, "join"), object{})
	s.bob.ok("POST", in(room, "unban"), who)
	s.carol.ok("POST", in(room, "join"), object{})

	joined := s.bob.ok("GET", "/sync", nil)["rooms"].(object)["join"].(object)
	require.Contains(t, joined, room)
}

func (s scenario) upgrade(t *testing.T) {
	room := s.create(object{
		"preset": "public_chat", "name": "Old", "topic": "Both", "creation_content": object{"type": "m.space", "m.federate": false},
		"initial_state": []object{{"type": "m.room.encryption", "content": object{"algorithm": "m.megolm.v1.aes-sha2"}}},
	})
	s.bob.ok("POST", in(room, "join"), object{})
	s.bob.refused(403, "M_FORBIDDEN", "POST", in(room, "upgrade"), object{"new_version": "12"})
	s.carol.refused(403, "M_FORBIDDEN", "POST", in(room, "upgrade"), object{"new_version": "12"})
	s.alice.refused(400, "M_UNSUPPORTED_ROOM_VERSION", "POST", in(room, "upgrade"), object{"new_version": "0"})
	s.alice.refused(400, "M_MISSING_PARAM", "POST", in(room, "upgrade"), object{})
	levels := s.levels(object{"users": object{string(s.bob.id): 60}, "events": object{"m.room.name": 55}})
	s.alice.set(room, "m.room.power_levels", levels)
	last := s.bob.send(room, "m.room.message", object{"body": "the last"})

	for _, to := range []*event.Version{event.Versions[0], event.DefaultVersion} {
		got := s.alice.ok("POST", in(room, "upgrade"), object{"new_version": to.ID})["replacement_room"].(string)
		require.Equal(t, got, s.alice.get(room, "m.room.tombstone")["replacement_room"])
		create := s.alice.get(got, "m.room.create")
		require.Equal(t, to.ID, create["room_version"])
		require.Equal(t, "m.space", create["type"])
		require.Equal(t, false, create["m.federate"])
		predecessor := create["predecessor"].(object)
		require.Equal(t, room, predecessor["room_id"])
		if to == event.Versions[0] {
			require.Equal(t, last, predecessor["event_id"])
		}
		for evType, want := range map[string]object{
			"m.room.name": {"name": "Old"}, "m.room.join_rules": {"join_rule": "public"},
			"m.room.guest_access": {"guest_access": "forbidden"}, "m.room.history_visibility": {"history_visibility": "shared"},
			"m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
		} {
			require.Equal(t, want, s.alice.get(got, evType), evType)
		}
		require.Equal(t, "Both", s.alice.get(got, "m.room.topic")["topic"])
		is := s.alice.get(got, "m.room.power_levels")
		require.Equal(t, 60.0, is["users"].(object)[string(s.bob.id)])
		require.Equal(t, 55.0, is["events"].(object)["m.room.name"])
		require.Equal(t, !to.PrivilegedCreators, is["users"].(object)[string(s.alice.id)] != nil)
		s.alice.set(got, "m.room.name", object{"name": "New"})
		s.bob.ok("POST", in(got, "join"), object{})
	}
	was := s.alice.get(room, "m.room.power_levels")
	require.Equal(t, 50.0, was["events_default"])
	require.Equal(t, 50.0, was["invite"])
	s.carol.ok("POST", in(room, "join"), object{})
	s.carol.refused(403, "M_FORBIDDEN", "PUT", in(room, "send", "m.room.message", "t"), object{"body": "too late"})
}
