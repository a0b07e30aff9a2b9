package app

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
)

// What people do in rooms, by the client-server API, on a whole homeserver, in every version.
func TestRoomsOfEveryVersion(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	h.tellsItsLag(t)
	alice, bob, carol := h.register(t, "alice"), h.register(t, "bob"), h.register(t, "carol")
	for _, v := range event.Versions {
		t.Run("version "+v.ID, func(t *testing.T) {
			s := scenario{t, v, alice.of(t), bob.of(t), carol.of(t)}
			t.Run("people", s.people)
			t.Run("redaction", s.redaction)
			t.Run("knock", s.knock)
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

	s.bob.sync("", func(all rooms) bool { return all.has("join", room, "hello") })
}

func (s scenario) redaction(t *testing.T) {
	room := s.create(object{"preset": "public_chat"})
	s.bob.ok("POST", in(room, "join"), object{})
	topic := s.alice.set(room, "m.room.topic", object{"topic": "a secret topic"})
	said := s.bob.send(room, "m.room.message", object{"msgtype": "m.text", "body": "a secret message"})
	// The room is in the sync worker's memory from here on.
	since := s.bob.sync("", func(all rooms) bool { return all.has("join", room, "a secret message") })

	s.bob.refused(403, "M_FORBIDDEN", "PUT", in(room, "redact", topic, "t"), object{})
	why := s.alice.ok("PUT", in(room, "redact", said, "t1"), object{"reason": "spam"})["event_id"].(string)
	last := s.alice.ok("PUT", in(room, "redact", topic, "t2"), object{})["event_id"].(string)
	s.bob.sync(since, func(all rooms) bool { return all.has("join", room, `"event_id":"`+last+`"`) })

	for name, got := range map[string]object{
		"event":    s.bob.ok("GET", in(room, "event", said), nil),
		"messages": s.bob.ok("GET", in(room, "messages")+"?dir=b&limit=100", nil),
		"context":  s.bob.ok("GET", in(room, "context", said), nil),
		"state":    s.bob.ok("GET", in(room, "state"), nil),
		"sync":     s.bob.ok("GET", "/sync", nil)["rooms"].(object)["join"].(object)[room].(object),
	} {
		raw := asJSON(t, got)
		require.False(t, strings.Contains(raw, "secret"), name)
		require.True(t, strings.Contains(raw, "redacted_because"), name)
	}
	require.Empty(t, s.bob.get(room, "m.room.topic"))
	got := s.bob.ok("GET", in(room, "event", said), nil)
	because := got["unsigned"].(object)["redacted_because"].(object)
	require.Equal(t, said, got["event_id"])
	require.Equal(t, why, because["event_id"])
	require.Equal(t, said, because["redacts"])
	require.Equal(t, "spam", because["content"].(object)["reason"])
	require.Zero(t, query[int](t, s.alice.h, "SELECT count(*) FROM event WHERE room_id = $1 AND convert_from(json, 'UTF8') LIKE '%secret%'", room)[0])
}

// rooms is the part of a sync about rooms: by kind and room, as JSON.
type rooms map[string]map[string]json.RawMessage

func (all rooms) has(kind, room, text string) bool {
	raw, ok := all[kind][room]
	return ok && bytes.Contains(raw, []byte(text))
}

// sync syncs on from since until it is told what is waited for, and returns the next token. An initial sync that was too
// early is made again.
func (p *person) sync(since string, until func(rooms) bool) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		path := "/sync"
		if since != "" {
			path += "?timeout=10000&since=" + since
		}
		got := p.ok("GET", path, nil)
		var all rooms
		require.NoError(p.t, json.Unmarshal([]byte(asJSON(p.t, got["rooms"])), &all))
		next := got["next_batch"].(string)
		if until(all) {
			return next
		}
		if since != "" {
			since = next
		}
	}
	p.t.Fatal("the sync never told what was waited for")
	return ""
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

func (s scenario) knock(t *testing.T) {
	room := s.create(object{
		"name": "A house", "initial_state": []object{{"type": "m.room.join_rules", "content": object{"join_rule": "knock"}}},
	})
	if !s.v.Knocking {
		s.carol.refused(403, "M_FORBIDDEN", "POST", "/knock/"+url.PathEscape(room), object{})
		return
	}
	s.carol.ok("POST", "/knock/"+url.PathEscape(room), object{"reason": "cold outside"})
	since := s.carol.sync("", func(all rooms) bool {
		return all.has("knock", room, "cold outside") && all.has("knock", room, "A house") && all.has("knock", room, "knock_state")
	})
	s.carol.refused(403, "M_FORBIDDEN", "GET", in(room, "messages")+"?dir=b", nil)
	s.carol.ok("POST", in(room, "leave"), object{})
	since = s.carol.sync(since, func(all rooms) bool { return all.has("leave", room, `"leave"`) })
	s.carol.ok("POST", "/knock/"+url.PathEscape(room), object{"reason": "again"})
	since = s.carol.sync(since, func(all rooms) bool { return all.has("knock", room, "again") })
	s.alice.ok("POST", in(room, "invite"), object{"user_id": s.carol.id})
	since = s.carol.sync(since, func(all rooms) bool { return all.has("invite", room, "invite_state") })
	s.carol.ok("POST", in(room, "join"), object{})
	s.carol.sync(since, func(all rooms) bool { return all.has("join", room, "A house") && !all.has("knock", room, "") })
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
	levels := s.levels(object{
		"users": object{string(s.bob.id): 60}, "events": object{"m.room.name": 55}, "events_default": 0, "invite": 0,
	})
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
		require.Equal(t, []any{0.0, 0.0}, []any{is["events_default"], is["invite"]}, "the old room is quiet, not the new one")
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
