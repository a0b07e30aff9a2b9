package eventauth_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// Users of the tests. The creator made the room; who is what else is up to each test.
const (
	creator = "@creator:hs.example"
	co      = "@co:hs.example"
	alice   = "@alice:hs.example"
	bob     = "@bob:hs.example"
	carol   = "@carol:hs.example"
	remote  = "@remote:other.example"
)

const someEvent = "$BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

// A room is a state under construction.
type room struct {
	t      testing.TB
	v      *event.Version
	create *event.Event
	state  eventauth.MapState
}

type fields map[string]any

// made counts events, to tell the ids apart that room versions 1 and 2 have in events.
var made atomic.Int64

// parse makes an event out of its JSON fields, with what every event needs added where it is missing. auth_events and
// prev_events are ids, which parse writes as the version has them.
func parse(t testing.TB, v *event.Version, f fields) *event.Event {
	all := fields{
		"auth_events": []string{}, "prev_events": []string{someEvent}, "depth": 3, "origin_server_ts": 5,
		"hashes": fields{}, "signatures": fields{}, "content": fields{},
	}
	if v.EventIDInEvent {
		all["event_id"] = fmt.Sprintf("$%d:%s", made.Add(1), id.UserID(f["sender"].(string)).ServerName())
	}
	for key, value := range f {
		if value == nil {
			delete(all, key)
		} else {
			all[key] = value
		}
	}
	for _, key := range []string{"auth_events", "prev_events"} {
		if ids, ok := all[key].([]string); ok && v.EventIDInEvent {
			pairs := make([]any, 0, len(ids))
			for _, eventID := range ids {
				if !strings.Contains(eventID, ":") {
					eventID += ":hs.example"
				}
				pairs = append(pairs, []any{eventID, fields{"sha256": strings.Repeat("A", 43)}})
			}
			all[key] = pairs
		}
	}
	raw, err := json.Marshal(all)
	require.NoError(t, err)
	ev, err := event.Parse(v, raw)
	require.NoError(t, err)
	return ev
}

// newRoom has a create event, with more content, and its sender, joined.
func newRoom(t testing.TB, v *event.Version, content fields) *room {
	return newRoomWithID(t, v, "!room:hs.example", content)
}

// newRoomWithID makes a room with this id, if the version does not take it from the create event.
func newRoomWithID(t testing.TB, v *event.Version, roomID string, content fields) *room {
	r := &room{t: t, v: v, state: eventauth.MapState{}}
	r.create = parse(t, v, createFields(v, roomID, content))
	r.put(r.create)
	r.member(creator, "join")
	return r
}

func createFields(v *event.Version, roomID string, content fields) fields {
	all := fields{"room_version": v.ID}
	if v.CreatorInContent {
		all["creator"] = creator
	}
	for key, value := range content {
		if value == nil {
			delete(all, key)
		} else {
			all[key] = value
		}
	}
	f := fields{"type": "m.room.create", "state_key": "", "sender": creator, "content": all, "prev_events": []string{}}
	if !v.RoomIDFromCreate {
		f["room_id"] = roomID
	}
	return f
}

func (r *room) put(ev *event.Event) {
	key, ok := ev.StateKey()
	require.True(r.t, ok)
	r.state[eventauth.StateKeyTuple{Type: ev.Type(), StateKey: key}] = ev
}

// event makes an event of this room.
func (r *room) event(sender, evType string, stateKey any, content fields) *event.Event {
	f := fields{"room_id": r.create.RoomID(), "sender": sender, "type": evType, "content": content}
	if stateKey != nil {
		f["state_key"] = stateKey
	}
	return parse(r.t, r.v, f)
}

func (r *room) member(user, membership string) {
	r.put(r.event(user, "m.room.member", user, fields{"membership": membership}))
}

// levels sets the power levels; where creators do not stand above them, the creator has 100.
func (r *room) levels(content fields) { r.put(r.newLevels(creator, content)) }

func (r *room) newLevels(sender string, content fields) *event.Event {
	users, isMap := content["users"].(fields)
	if !r.v.PrivilegedCreators && (isMap || content["users"] == nil) && users[creator] == nil {
		users = maps.Clone(users)
		if users == nil {
			users = fields{}
		}
		users[creator] = 100
		content = maps.Clone(content)
		content["users"] = users
	}
	return r.event(sender, "m.room.power_levels", "", content)
}

// check applies the rules about state, checkAuth those about auth_events. The rules look at nothing but what auth_events
// name and the create event, and at kept power levels as at others.
func (r *room) check(ev *event.Event) error {
	err := eventauth.Check(r.v, ev, r.state)
	require.Equal(r.t, err, eventauth.Check(r.v, ev, selected(r.v, ev, r.state)), "against the state that auth_events name")
	kept := keptLevels{r.state, eventauth.LevelsOf(r.v, r.state)}
	require.Equal(r.t, err, eventauth.Check(r.v, ev, kept), "with kept power levels")
	return err
}

// selected is the part of the state that auth_events of ev name, and the create event.
func selected(v *event.Version, ev *event.Event, state eventauth.MapState) eventauth.MapState {
	var stateKey *string
	if key, ok := ev.StateKey(); ok {
		stateKey = &key
	}
	create := eventauth.StateKeyTuple{Type: "m.room.create"}
	part := eventauth.MapState{}
	for _, tuple := range append(eventauth.AuthTypesFor(v, ev.Type(), ev.Sender(), stateKey, ev.Content()), create) {
		if of := state[tuple]; of != nil {
			part[tuple] = of
		}
	}
	return part
}

func (r *room) checkAuth(ev *event.Event, auth ...*event.Event) error {
	return eventauth.CheckAuthEvents(r.v, ev, auth, nil)
}

func (r *room) joinRule(rule string) {
	r.put(r.event(creator, "m.room.join_rules", "", fields{"join_rule": rule}))
}

// allow and refuse check ev against the room; rule is what refuses it.
func (r *room) allow(ev *event.Event) {
	r.t.Helper()
	require.NoError(r.t, r.check(ev))
}

func (r *room) refuse(rule string, ev *event.Event) {
	r.t.Helper()
	requireRule(r.t, rule, r.check(ev))
}

func requireRule(t testing.TB, rule string, err error) {
	t.Helper()
	var rejection *eventauth.Rejection
	require.ErrorAs(t, err, &rejection)
	require.Equal(t, rule, rejection.Rule, rejection.Reason)
	require.NotEmpty(t, rejection.Reason)
	require.EqualError(t, err, "rule "+rule+" ("+rejection.Name+"): "+rejection.Reason)
}

// numberOf is the number of a rule on the page of a version.
func numberOf(v *event.Version, rule string) string {
	for _, r := range eventauth.Rules(v) {
		if r.Name == rule {
			return r.Number
		}
	}
	return ""
}

// usual is a room in which the members of most tests are: alice with 50, bob with 0, carol not in it.
func usual(t testing.TB) *room { return usualIn(t, event.DefaultVersion) }

func usualIn(t testing.TB, v *event.Version) *room {
	r := newRoom(t, v, nil)
	r.member(alice, "join")
	r.member(bob, "join")
	r.levels(fields{"users": fields{alice: 50}})
	return r
}

// message is a message event by sender.
func (r *room) message(sender string) *event.Event {
	return r.event(sender, "m.room.message", nil, fields{"body": "x"})
}

// change is a membership event: sender makes target's membership so.
func (r *room) change(sender, target, membership string) *event.Event {
	return r.event(sender, "m.room.member", target, fields{"membership": membership})
}

func userIDs(users ...string) []id.UserID {
	ids := make([]id.UserID, len(users))
	for i, u := range users {
		ids[i] = id.UserID(u)
	}
	return ids
}
