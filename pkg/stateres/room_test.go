package stateres_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/stateres"
)

const (
	alice   = "@alice:a.example"
	bob     = "@bob:b.example"
	charlie = "@charlie:c.example"
	dave    = "@dave:d.example"
	evelyn  = "@evelyn:e.example"
	zara    = "@zara:z.example"

	create     = "m.room.create"
	member     = "m.room.member"
	power      = "m.room.power_levels"
	joinRules  = "m.room.join_rules"
	topic      = "m.room.topic"
	oldTopic   = "m.room.name"
	v2, v2p1   = "11", "12"
	joinRuleOf = "join_rule"
)

type (
	content  map[string]any
	tuple    = eventauth.StateKeyTuple
	stateMap = stateres.StateMap
)

// A room is a set of events with names for ids.
type room struct {
	t        testing.TB
	v        *event.Version
	id       id.RoomID
	events   map[id.EventID]*event.Event
	ts       int64
	depth    int64
	rejected map[id.EventID]bool

	fetches, fetched int
	asked            map[id.EventID]bool
}

func newRoom(t testing.TB, version string) *room {
	v, ok := event.LookupVersion(version)
	require.True(t, ok)
	return &room{t: t, v: v, id: "!room:a.example", events: map[id.EventID]*event.Event{}, rejected: map[id.EventID]bool{}, asked: map[id.EventID]bool{}}
}

// named is the id of the event of this name, in the form of the room's version.
func (r *room) named(name string) id.EventID {
	if r.v.EventIDInEvent {
		return id.EventID("$" + name + ":a.example")
	}
	return id.EventID("$" + name + strings.Repeat("_", 43-len(name)))
}

func name(eventID id.EventID) string {
	before, _, _ := strings.Cut(string(eventID), ":")
	return strings.Trim(before, "$_")
}

// add makes an event with these auth events.
func (r *room) add(name, sender, evType string, stateKey string, c content, auth ...id.EventID) *event.Event {
	r.t.Helper()
	r.ts++
	r.depth++
	refs := make([]any, len(auth))
	for i, a := range auth {
		refs[i] = a
		if r.v.EventIDInEvent {
			refs[i] = []any{a, content{"sha256": ""}}
		}
	}
	fields := content{
		"auth_events": refs, "prev_events": []any{}, "depth": r.depth, "origin_server_ts": r.ts, "hashes": content{}, "signatures": content{},
		"type": evType, "state_key": stateKey, "sender": sender, "content": c,
	}
	if r.v.EventIDInEvent {
		fields["event_id"] = r.named(name)
	}
	if evType != create || !r.v.RoomIDFromCreate {
		fields["room_id"] = r.id
	}
	raw, err := json.Marshal(fields)
	require.NoError(r.t, err)
	ev, err := event.Load(r.v, r.named(name), raw)
	require.NoError(r.t, err)
	if evType == create {
		r.id = ev.RoomID()
	}
	if r.events[ev.ID()] != nil {
		r.t.Fatalf("two events are called %s", name)
	}
	r.events[ev.ID()] = ev
	return ev
}

// send makes an event that follows the state, with the auth events that the state gives, and returns the state after.
func (r *room) send(state stateMap, name, sender, evType, stateKey string, c content) stateMap {
	r.t.Helper()
	after := maps.Clone(state)
	if after == nil {
		after = stateMap{}
	}
	r.put(after, name, sender, evType, stateKey, c)
	return after
}

// put is send, changing the state itself.
func (r *room) put(state stateMap, name, sender, evType, stateKey string, c content) {
	r.t.Helper()
	raw, err := json.Marshal(c)
	require.NoError(r.t, err)
	var auth []id.EventID
	for _, key := range eventauth.AuthTypesFor(r.v, evType, id.UserID(sender), &stateKey, raw) {
		if eventID, ok := state[key]; ok {
			auth = append(auth, eventID)
		}
	}
	r.add(name, sender, evType, stateKey, c, auth...)
	state[tuple{Type: evType, StateKey: stateKey}] = r.named(name)
}

// levels is the content of power levels; alice is there unless her power comes from being the creator.
func (r *room) levels(users map[string]int) content {
	all := maps.Clone(users)
	if all == nil {
		all = map[string]int{}
	}
	if !r.v.PrivilegedCreators {
		all[alice] = 100
	}
	return content{"users": all}
}

func membership(m string) content { return content{"membership": m} }

// begin makes a public room with alice, its creator, and other users.
func (r *room) begin(users ...string) stateMap {
	s := r.send(nil, "create", alice, create, "", content{"creator": alice, "room_version": r.v.ID})
	s = r.send(s, "joinalice", alice, member, alice, membership("join"))
	s = r.send(s, "power", alice, power, "", r.levels(nil))
	s = r.send(s, "public", alice, joinRules, "", content{joinRuleOf: "public"})
	for _, user := range users {
		s = r.send(s, "join"+id.UserID(user).Localpart(), user, member, user, membership("join"))
	}
	return s
}

// fetch counts, and fails the test if an event is asked for twice.
func (r *room) fetch(ids []id.EventID) ([]*event.Event, error) {
	r.fetches++
	r.fetched += len(ids)
	if len(ids) == 0 || len(ids) > stateres.MaxBatch {
		r.t.Errorf("%d events are asked for", len(ids))
	}
	events := make([]*event.Event, 0, len(ids))
	for _, eventID := range ids {
		if r.asked[eventID] {
			r.t.Errorf("%s is asked for twice", eventID)
		}
		r.asked[eventID] = true
		if ev, ok := r.events[eventID]; ok {
			events = append(events, ev)
		}
	}
	return events, nil
}

func (r *room) resolve(sets ...stateMap) stateMap {
	r.t.Helper()
	clear(r.asked)
	r.fetches, r.fetched = 0, 0
	resolved, err := stateres.Resolve(r.v, sets, r.fetch, stateres.Rejected(func(eventID id.EventID) bool { return r.rejected[eventID] }))
	require.NoError(r.t, err)
	return resolved
}

// requireAt compares places of a state, "type key" or "type", with names of events; "" is for none.
func requireAt(t testing.TB, s stateMap, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for place := range want {
		evType, key, _ := strings.Cut(place, " ")
		got[place] = name(s[tuple{Type: evType, StateKey: key}])
	}
	require.Equal(t, want, got, fmt.Sprint(s))
}
