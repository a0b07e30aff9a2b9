package persister

import (
	"container/list"
	"time"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// A room is the actor of one room: what its next event is built and judged from, uncommitted events included. Only the
// lane's loop touches it.
type room struct {
	id    id.RoomID
	slot  int
	shard int
	epoch int64 // of the lease that it was loaded under; what it holds counts under no other

	version *event.Version // nil: there is no such room
	state   eventauth.MapState
	levels  *eventauth.PowerLevels
	heads   []*event.Event // forward extremities
	at      int64          // position of the newest committed event
	bytes   int
	used    time.Time // when the room last had its turn

	loading bool
	copy    *roomCopy // to load it from; nil: none
	waiting []*write  // until it is loaded, or its tail has come to its end
	tail    *block    // the newest block with events of this room that are not committed yet
	element *list.Element
}

// A snapshot is a room as it was committed.
type snapshot struct {
	version *event.Version
	state   []*event.Event
	heads   []*event.Event
	at      int64 // position of the newest event
	err     error // why it cannot be read or understood
	copied  bool  // it comes from a copy
}

// roomOverhead is about what a room without state takes in memory.
const roomOverhead = 512

func newRoom(roomID id.RoomID, shardID int, epoch int64) *room {
	return &room{id: roomID, slot: shard.Slot(roomID), shard: shardID, epoch: epoch,
		state: make(eventauth.MapState), loading: true, bytes: roomOverhead}
}

func (r *room) exists() bool { return r.version != nil }

func (r *room) adopt(s *snapshot) {
	r.version, r.heads, r.at = s.version, s.heads, s.at
	for _, ev := range s.state {
		r.set(ev)
	}
}

// Fact and PowerLevels make a room an eventauth.LevelsState.
func (r *room) Fact(evType, stateKey string) eventauth.Fact { return r.state.Fact(evType, stateKey) }

// Event returns the state event of this type and state key, nil if there is none.
func (r *room) Event(evType, stateKey string) *event.Event {
	return r.state[eventauth.StateKeyTuple{Type: evType, StateKey: stateKey}]
}

// PowerLevels returns the parsed power levels.
func (r *room) PowerLevels() *eventauth.PowerLevels {
	if r.levels == nil {
		r.levels = eventauth.LevelsOf(r.version, r.state)
	}
	return r.levels
}

func (r *room) membership(user id.UserID) (string, *event.Event) {
	ev := r.Event("m.room.member", string(user))
	if ev == nil {
		return "leave", nil
	}
	return ev.Membership(), ev
}

func (r *room) set(ev *event.Event) {
	key, _ := ev.StateKey()
	place := eventauth.StateKeyTuple{Type: ev.Type(), StateKey: key}
	if old := r.state[place]; old != nil {
		r.bytes -= eventBytes(old)
	}
	r.state[place] = ev
	r.bytes += eventBytes(ev)
	if ev.Type() == "m.room.power_levels" || ev.Type() == "m.room.create" {
		r.levels = nil
	}
}

// eventBytes is about what an event of the state takes in memory, its place in the map included.
func eventBytes(ev *event.Event) int { return len(ev.JSON()) + 400 }

// apply makes an event the room's newest.
func (r *room) apply(ev *event.Event) {
	if ev.IsState() {
		r.set(ev)
	}
	r.heads = []*event.Event{ev}
}
