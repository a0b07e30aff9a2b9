package persister

import (
	"slices"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A roomCopy is a room as another worker, its owner then, had it in memory when the event head had been committed at
// position, under the lease of epoch.
//
// It is never truth. Who owns the room now reads, under its own lease, what the table has from that position on. If that
// begins with head, the room was what the copy says, for the state is a function of the events up to one of them; what
// follows, bounded by maxCatchUp, makes it what it is. Nobody else can write after that reading, or nothing that is built
// on it is written. In all other cases the room is loaded from the table.
type roomCopy struct {
	room     id.RoomID
	version  *event.Version
	epoch    int64
	position int64
	head     head
	state    facts
	bytes    int
}

// maxCatchUp is how many events of a room may have been written since it was copied. Loading its state is cheaper than
// reading many more.
const maxCatchUp = 100

// An entryAt is a row of the table.
type entryAt struct {
	position int64
	event    id.EventID
	raw      []byte
}

// catchUp returns the room as it is, given its rows from the copy's position on, at most maxCatchUp+1: nil if the copy
// does not help.
func (c *roomCopy) catchUp(since []entryAt) *snapshot {
	if len(since) == 0 || len(since) > maxCatchUp || since[0].position != c.position || since[0].event != c.head.event {
		return nil
	}
	s := &snapshot{room: c.room, copied: true, version: c.version, heads: []head{c.head}, at: c.position, state: slices.Clone(c.state)}
	for _, row := range since[1:] {
		ev, err := event.Load(c.version, row.event, row.raw)
		if err != nil || ev.Type() == typeRedaction {
			return nil // a redaction changes what is before it
		}
		if ev.IsState() {
			s.state = append(s.state, factOf(c.room, ev))
		}
		s.heads, s.at = []head{headOf(ev)}, row.position
	}
	return s
}
