package persister

import (
	"container/list"
	"strings"
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
	state   facts
	levels  *eventauth.PowerLevels
	heads   []head
	at      int64     // position of the newest committed event
	bytes   int       // about what it takes of the heap
	counted int       // of that, in the cache
	used    time.Time // when the room last had its turn

	loading bool
	copy    *roomCopy // to load it from; nil: none
	waiting []*write  // until it is loaded, or its tail has come to its end
	tail    *block    // the newest block with events of this room that are not committed yet
	element *list.Element
}

// A snapshot is a room as it was committed, its state in any order.
type snapshot struct {
	room    id.RoomID
	version *event.Version
	state   []*fact
	heads   []head
	at      int64 // position of the newest event
	err     error // why it cannot be read or understood
	copied  bool  // it comes from a copy
}

// roomOverhead is about what a room without state takes in memory.
const roomOverhead = 512

// newRoom copies the id, which may be part of a whole request.
func newRoom(roomID id.RoomID, shardID int, epoch int64) *room {
	return &room{id: id.RoomID(strings.Clone(string(roomID))), slot: shard.Slot(roomID), shard: shardID, epoch: epoch, loading: true,
		bytes: roomOverhead}
}

func (r *room) exists() bool { return r.version != nil }

func (r *room) adopt(s *snapshot) {
	r.version, r.heads, r.at = s.version, s.heads, s.at
	r.state = sortedFacts(s.state)
	for _, f := range r.state {
		r.bytes += f.bytes()
	}
}

// Fact and PowerLevels make a room an eventauth.LevelsState.
func (r *room) Fact(evType, stateKey string) eventauth.Fact { return r.state.Fact(evType, stateKey) }

// PowerLevels returns the parsed power levels.
func (r *room) PowerLevels() *eventauth.PowerLevels {
	if r.levels == nil {
		r.levels = eventauth.LevelsOf(r.version, r.state)
	}
	return r.levels
}

func (r *room) membership(user id.UserID) (string, *fact) {
	f := r.state.at("m.room.member", string(user))
	if f == nil {
		return "leave", nil
	}
	return f.Membership(), f
}

func (r *room) set(f *fact) {
	if was := r.state.set(f); was != nil {
		r.bytes -= was.bytes()
	}
	r.bytes += f.bytes()
	if evType := f.place().Type; evType == "m.room.power_levels" || evType == "m.room.create" {
		r.levels = nil
	}
}

// apply makes an event the room's newest.
func (r *room) apply(ev *event.Event) {
	if ev.IsState() {
		r.set(factOf(r.id, ev))
	}
	r.heads = []head{headOf(ev)}
}
