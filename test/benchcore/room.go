package main

import (
	"encoding/json"
	"fmt"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A room is a room of real events under construction.
type room struct {
	version *event.Version
	signer  signer
	id      id.RoomID
	state   eventauth.MapState
	events  map[id.EventID]*event.Event
	last    *event.Event
}

func user(i int) id.UserID { return id.UserID(fmt.Sprintf("@user%d:%s", i, server)) }

// newRoom is a public room that user 0 created, with so many members, some of them with a power level.
func newRoom(v *event.Version, members int) (*room, error) {
	r := &room{version: v, signer: newSigner(), state: eventauth.MapState{}, events: map[id.EventID]*event.Event{}}
	if !v.RoomIDFromCreate {
		r.id = "!bench:" + server
	}
	create := map[string]any{"room_version": v.ID}
	if v.CreatorInContent {
		create["creator"] = user(0)
	}
	if _, err := r.setState(user(0), "m.room.create", "", create); err != nil {
		return nil, err
	}
	if _, err := r.setState(user(0), "m.room.member", string(user(0)), map[string]any{"membership": "join"}); err != nil {
		return nil, err
	}
	if _, err := r.setState(user(0), "m.room.power_levels", "", r.levels(0)); err != nil {
		return nil, err
	}
	if _, err := r.setState(user(0), "m.room.join_rules", "", map[string]any{"join_rule": "public"}); err != nil {
		return nil, err
	}
	for i := 1; i < members; i++ {
		content := map[string]any{"membership": "join", "displayname": fmt.Sprintf("User %d", i)}
		if _, err := r.setState(user(i), "m.room.member", string(user(i)), content); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// moderators is how many users can kick and ban.
const moderators = 20

// levels is a content of m.room.power_levels; no two serials give the same.
func (r *room) levels(serial int) map[string]any {
	users := map[string]int{}
	for i := 1; i <= moderators; i++ {
		users[string(user(i))] = 50
	}
	if !r.version.PrivilegedCreators {
		users[string(user(0))] = 100
	}
	return map[string]any{
		"users": users, "users_default": 0, "events_default": 0, "state_default": 50, "ban": 50, "kick": 50, "redact": 50,
		"invite": 0, "events": map[string]int{"m.room.name": 50, "m.room.power_levels": 50, "org.example.serial": serial % 50},
	}
}

// proto is an event that follows the room's last one.
func (r *room) proto(sender id.UserID, evType string, stateKey *string, content json.RawMessage) event.Proto {
	p := event.Proto{
		RoomID: r.id, Sender: sender, Type: evType, StateKey: stateKey, Content: content,
		OriginServerTS: 1700000000000 + int64(len(r.events)),
		ReferenceHash:  func(eventID id.EventID) []byte { return event.ReferenceHash(r.events[eventID]) },
	}
	if r.last != nil {
		p.PrevEvents, p.Depth = []id.EventID{r.last.ID()}, r.last.Depth()+1
	}
	p.AuthEvents = eventauth.SelectAuthEvents(r.version, &p, r.state)
	return p
}

func (r *room) build(sender id.UserID, evType string, stateKey *string, content json.RawMessage) (*event.Event, error) {
	ev, err := event.Build(r.version, r.proto(sender, evType, stateKey, content), r.signer)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", evType, err)
	}
	return ev, nil
}

// setState makes a state event that the rules allow the room's last one.
func (r *room) setState(sender id.UserID, evType, stateKey string, content map[string]any) (*event.Event, error) {
	raw, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	ev, err := r.build(sender, evType, &stateKey, raw)
	if err != nil {
		return nil, err
	}
	if err := eventauth.Check(r.version, ev, r.state); err != nil {
		return nil, fmt.Errorf("%s %q by %s: %w", evType, stateKey, sender, err)
	}
	if ev.IsCreate() {
		r.id = ev.RoomID()
	}
	r.state[eventauth.StateKeyTuple{Type: evType, StateKey: stateKey}] = ev
	r.events[ev.ID()], r.last = ev, ev
	return ev, nil
}
