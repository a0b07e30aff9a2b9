package clientapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// built is a new room as its owner builds it: each event authorised against the state before.
func (s *server) built(room NewRoom) (eventauth.MapState, []string) {
	s.t.Helper()
	v, known := event.LookupVersion(room.RoomVersion)
	require.True(s.t, known)
	create, err := event.Parse(v, room.Create)
	require.NoError(s.t, err)
	state := eventauth.MapState{}
	require.NoError(s.t, eventauth.Check(v, create, state))
	state[eventauth.StateKeyTuple{Type: "m.room.create"}] = create
	order := []string{"m.room.create"}
	prev := create.ID()
	all := map[id.EventID]*event.Event{prev: create}
	for i, e := range room.Events {
		p := event.Proto{
			RoomID: create.RoomID(), Sender: create.Sender(), Type: e.Type, StateKey: &e.StateKey, Content: e.Content,
			PrevEvents: []id.EventID{prev}, Depth: int64(i + 2), OriginServerTS: create.OriginServerTS(),
		}
		p.AuthEvents = eventauth.SelectAuthEvents(v, &p, state)
		p.ReferenceHash = func(eventID id.EventID) []byte { return event.ReferenceHash(all[eventID]) }
		ev, err := event.Build(v, p, s.api.signer)
		require.NoError(s.t, err)
		require.NoError(s.t, eventauth.Check(v, ev, state), "%s %s", e.Type, e.Content)
		state[eventauth.StateKeyTuple{Type: e.Type, StateKey: e.StateKey}] = ev
		prev = ev.ID()
		all[prev] = ev
		order = append(order, e.Type)
	}
	return state, order
}

func contentOf(t *testing.T, state eventauth.MapState, evType, key string) object {
	t.Helper()
	ev := state.Event(evType, key)
	require.NotNil(t, ev, evType)
	var content object
	require.NoError(t, json.Unmarshal(ev.Content(), &content))
	return content
}

func (s *server) createRoom(body string) (eventauth.MapState, []string) {
	s.t.Helper()
	answer := ok[map[string]id.RoomID](s, alice, "POST", v3("/createRoom"), body)
	room := s.rooms.rooms[len(s.rooms.rooms)-1]
	state, order := s.built(room)
	require.Equal(s.t, state.Event("m.room.create", "").RoomID(), answer["room_id"])
	return state, order
}

func TestCreateRoomPresets(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	s.accounts(alice)
	order := []string{
		"m.room.create", "m.room.member", "m.room.power_levels", "m.room.join_rules", "m.room.history_visibility", "m.room.guest_access",
	}
	for body, want := range map[string]struct{ joinRule, guests string }{
		`{}`:                                {"invite", "can_join"},
		`{"visibility":"private"}`:          {"invite", "can_join"},
		`{"visibility":"public"}`:           {"public", "forbidden"},
		`{"preset":"private_chat"}`:         {"invite", "can_join"},
		`{"preset":"trusted_private_chat"}`: {"invite", "can_join"},
		`{"preset":"public_chat"}`:          {"public", "forbidden"},
		`{"preset":"private_chat","visibility":"public","room_version":"12"}`: {"invite", "can_join"},
	} {
		state, got := s.createRoom(body)
		require.Equal(t, order, got, body)
		require.Equal(t, object{"join_rule": want.joinRule}, contentOf(t, state, "m.room.join_rules", ""), body)
		require.Equal(t, object{"guest_access": want.guests}, contentOf(t, state, "m.room.guest_access", ""), body)
		require.Equal(t, object{"history_visibility": "shared"}, contentOf(t, state, "m.room.history_visibility", ""), body)
		require.Equal(t, object{"membership": "join"}, contentOf(t, state, "m.room.member", string(alice)), body)
		levels := contentOf(t, state, "m.room.power_levels", "")
		require.Empty(t, levels["users"], "creators are not listed")
		require.Greater(t, levels["events"].(object)["m.room.tombstone"], levels["state_default"])
		create := contentOf(t, state, "m.room.create", "")
		require.Equal(t, "12", create["room_version"])
		require.NotContains(t, create, "additional_creators")
	}
}

func TestCreateRoomWithEverything(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	s.accounts(alice, bob, carol)
	name := "Bob"
	require.NoError(t, s.api.store.SetDisplayName(t.Context(), bob, &name))

	state, order := s.createRoom(`{
		"preset":"trusted_private_chat","name":"A room","topic":"A topic","is_direct":true,
		"invite":["@bob:test.example","@carol:test.example","@bob:test.example"],
		"creation_content":{"type":"m.space","room_version":"1","creator":"@eve:test.example","additional_creators":["@carol:test.example"]},
		"power_level_content_override":{"events_default":7},
		"initial_state":[
			{"type":"m.room.name","content":{"name":"overwritten"}},
			{"type":"m.room.join_rules","content":{"join_rule":"knock"}},
			{"type":"org.example","state_key":"k","content":{}}
		]}`)
	require.Equal(t, []string{
		"m.room.create", "m.room.member", "m.room.power_levels", "m.room.history_visibility", "m.room.guest_access",
		"m.room.join_rules", "org.example", "m.room.name", "m.room.topic", "m.room.member", "m.room.member",
	}, order)
	create := contentOf(t, state, "m.room.create", "")
	require.Equal(t, "12", create["room_version"])
	require.Equal(t, "m.space", create["type"])
	require.NotContains(t, create, "creator")
	require.Equal(t, []any{"@carol:test.example", "@bob:test.example"}, create["additional_creators"])
	require.Equal(t, 7.0, contentOf(t, state, "m.room.power_levels", "")["events_default"])
	require.Equal(t, 50.0, contentOf(t, state, "m.room.power_levels", "")["state_default"])
	require.Equal(t, object{"join_rule": "knock"}, contentOf(t, state, "m.room.join_rules", ""))
	require.Equal(t, object{"name": "A room"}, contentOf(t, state, "m.room.name", ""))
	require.Equal(t, "A topic", contentOf(t, state, "m.room.topic", "")["topic"])
	require.Equal(t, object{"membership": "invite", "is_direct": true, "displayname": "Bob"}, contentOf(t, state, "m.room.member", string(bob)))
	require.Equal(t, object{"membership": "invite", "is_direct": true}, contentOf(t, state, "m.room.member", string(carol)))
}

func TestCreateRoomOfEveryVersion(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	s.accounts(alice, bob)
	ids := map[id.RoomID]bool{}
	for _, v := range event.Versions {
		for _, preset := range []string{presetPrivate, presetTrusted, presetPublic} {
			state, _ := s.createRoom(`{"room_version":"` + v.ID + `","preset":"` + preset + `","invite":["@bob:test.example"],
				"name":"n","creation_content":{"m.federate":false,"creator":"@eve:test.example"},"power_level_content_override":{"ban":70}}`)
			create := state.Event("m.room.create", "")
			ids[create.RoomID()] = true
			content := contentOf(t, state, "m.room.create", "")
			require.Equal(t, v.ID, content["room_version"])
			require.Equal(t, false, content["m.federate"])
			if v.CreatorInContent {
				require.Equal(t, string(alice), content["creator"])
			} else {
				require.NotContains(t, content, "creator")
			}
			if v.RoomIDFromCreate {
				require.Equal(t, event.RoomIDFromCreate(create), create.RoomID())
			} else {
				require.Regexp(t, `^!\w{18}:test\.example$`, create.RoomID())
			}

			levels := contentOf(t, state, "m.room.power_levels", "")
			require.Equal(t, 70.0, levels["ban"])
			trusted := preset == presetTrusted
			parsed := eventauth.LevelsOf(v, state)
			switch {
			case v.PrivilegedCreators:
				require.Equal(t, object{}, levels["users"])
				require.Equal(t, eventauth.Infinite, parsed.User(alice))
				require.Equal(t, trusted, parsed.User(bob) == eventauth.Infinite, "all invitees are given the creator's power level")
				require.Equal(t, int64(150), parsed.RequiredFor("m.room.tombstone", true))
			case trusted:
				require.Equal(t, object{string(alice): 100.0, string(bob): 100.0}, levels["users"])
			default:
				require.Equal(t, object{string(alice): 100.0}, levels["users"])
				require.Equal(t, int64(100), parsed.RequiredFor("m.room.tombstone", true))
			}
			require.Equal(t, trusted && v.PrivilegedCreators, content["additional_creators"] != nil)
		}
	}
	require.Len(t, ids, 3*len(event.Versions), "each room has an id of its own")
}

// In room version 12 the id derives from the create event: equal ones would be one room.
func TestCreateRoomTwiceInAMillisecond(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	s.accounts(alice)
	now := s.api.now()
	s.api.now = func() time.Time { return now }
	one := ok[map[string]string](s, alice, "POST", v3("/createRoom"), `{}`)
	two := ok[map[string]string](s, alice, "POST", v3("/createRoom"), `{}`)
	require.NotEqual(t, one, two)
}

func TestCreateRoomRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	s.accounts(alice)
	many := strings.Repeat(`{"type":"a","content":{}},`, maxInitialState)
	var users []string
	for i := range maxInvites + 1 {
		users = append(users, fmt.Sprintf(`"@u%d:test.example"`, i))
	}
	for body, want := range map[string]struct {
		status int
		code   mxerr.Code
	}{
		``:                                   {400, mxerr.CodeNotJSON},
		`{`:                                  {400, mxerr.CodeNotJSON},
		`[]`:                                 {400, mxerr.CodeBadJSON},
		`{"name":1}`:                         {400, mxerr.CodeBadJSON},
		`{"invite":"@bob:x"}`:                {400, mxerr.CodeBadJSON},
		`{"creation_content":[]}`:            {400, mxerr.CodeBadJSON},
		`{"room_version":"13"}`:              {400, mxerr.CodeUnsupportedRoomVersion},
		`{"room_version":""}`:                {400, mxerr.CodeUnsupportedRoomVersion},
		`{"room_version":12}`:                {400, mxerr.CodeBadJSON},
		`{"visibility":"secret"}`:            {400, mxerr.CodeInvalidParam},
		`{"preset":"x"}`:                     {400, mxerr.CodeInvalidParam},
		`{"room_alias_name":"pub"}`:          {400, mxerr.CodeInvalidParam},
		`{"invite_3pid":[{}]}`:               {400, mxerr.CodeInvalidParam},
		`{"invite":["bob"]}`:                 {400, mxerr.CodeInvalidParam},
		`{"invite":["@no:test.example"]}`:    {404, mxerr.CodeNotFound},
		`{"invite":["@bob:other.example"]}`:  {403, mxerr.CodeForbidden},
		`{"invite":["@alice:test.example"]}`: {403, mxerr.CodeForbidden},
		`{"invite":[` + strings.Join(users, ",") + `]}`:                           {400, mxerr.CodeInvalidParam},
		`{"initial_state":[{"content":{}}]}`:                                      {400, mxerr.CodeMissingParam},
		`{"initial_state":[{"type":"a"}]}`:                                        {400, mxerr.CodeMissingParam},
		`{"initial_state":[{"type":"a","content":[]}]}`:                           {400, mxerr.CodeBadJSON},
		`{"initial_state":[{"type":"a","state_key":1,"content":{}}]}`:             {400, mxerr.CodeBadJSON},
		`{"initial_state":[{"type":"a","state_key":"\u0000","content":{}}]}`:      {400, mxerr.CodeBadJSON},
		`{"initial_state":[{"type":"m.room.create","content":{}}]}`:               {400, mxerr.CodeInvalidRoomState},
		`{"initial_state":[` + many + `{"type":"a","content":{}}]}`:               {400, mxerr.CodeInvalidParam},
		`{"creation_content":{"additional_creators":"@bob:test.example"}}`:        {400, mxerr.CodeBadJSON},
		`{"creation_content":{"additional_creators":["bob"]}}`:                    {400, mxerr.CodeInvalidRoomState},
		`{"creation_content":{"a":1.5}}`:                                          {400, mxerr.CodeBadJSON},
		`{"creation_content":{"a":"` + strings.Repeat("x", event.MaxSize) + `"}}`: {413, mxerr.CodeTooLarge},
		strings.Repeat(" ", maxCreateRoomBody) + `{}`:                             {413, mxerr.CodeTooLarge},
	} {
		s.refused(alice, "POST", v3("/createRoom"), body, want.status, want.code)
	}
	require.Empty(t, s.rooms.rooms, "nothing reached an owner")

	s.rooms.err = mxerr.InvalidRoomState("no")
	s.refused(alice, "POST", v3("/createRoom"), `{}`, 400, mxerr.CodeInvalidRoomState)
}
