package persister

import (
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

// Bounds of a block. The count stays below position.MaxIndex.
const (
	maxBlockEvents = 200
	maxBlockBytes  = 1 << 20
)

// A block is what one transaction writes. The loop fills it; once it is handed to the committer nobody changes entries,
// shards, number and generation but the committer. Riders and copies stay the loop's.
type block struct {
	number int64 // drawn by the database
	// generation of the database that it was written or looked for in.
	generation int64

	writes  []*write
	entries []entry
	shards  map[int]int64 // the epochs under which its events were built
	rooms   map[id.RoomID]*room
	riders  []rider
	copies  []copyInBlock
	bytes   int
}

// An entry is one event of a block.
type entry struct {
	write *write
	first bool // of its write: carries the deduplication key
	room  *room
	ev    *event.Event
	// redacted is what ev, a redaction, leaves of its target.
	redacted *event.Event
}

// A rider is a write that is answered from events of the block.
type rider struct {
	write  *write
	answer answer
}

func newBlock() *block {
	return &block{shards: make(map[int]int64), rooms: make(map[id.RoomID]*room)}
}

// full reports whether nothing goes into the block any more, however small it is.
func (b *block) full(maxWrites int) bool {
	return len(b.writes) >= maxWrites || len(b.entries) >= maxBlockEvents || b.bytes >= maxBlockBytes
}

// fits reports whether a write with so many events and bytes still goes into the block.
func (b *block) fits(events, bytes, maxWrites int) bool {
	return len(b.writes) == 0 ||
		len(b.writes) < maxWrites && len(b.entries)+events <= maxBlockEvents && b.bytes+bytes <= maxBlockBytes
}

// add takes the events of a write. redacted is what the first of them leaves of another event, nil if it is no redaction.
func (b *block) add(w *write, r *room, events []*event.Event, redacted *event.Event) {
	b.writes = append(b.writes, w)
	for i, ev := range events {
		b.entries = append(b.entries, entry{write: w, first: i == 0, room: r, ev: ev})
		b.bytes += len(ev.JSON())
	}
	if redacted != nil {
		b.entries[len(b.entries)-len(events)].redacted = redacted
		b.bytes += len(redacted.JSON())
	}
	b.shards[r.shard] = r.epoch
	b.rooms[r.id] = r
	r.tail = b
}

func (b *block) position(i int) position.Position { return position.New(b.number, i) }

// replyTo returns what a write is answered with whose first event is ev: the event's id, or, where ev makes a room, the
// room's, which a repetition of the request, whose room would have had another id, cannot know otherwise.
func replyTo(ev *event.Event) id.EventID {
	if ev.IsCreate() {
		return id.EventID(ev.RoomID())
	}
	return ev.ID()
}

// answers returns the answer of each write, in the order of writes.
func (b *block) answers() []id.EventID {
	ids := make([]id.EventID, 0, len(b.writes))
	for _, e := range b.entries {
		if e.first {
			ids = append(ids, replyTo(e.ev))
		}
	}
	return ids
}
