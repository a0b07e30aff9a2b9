package persister

import (
	"container/list"
	"context"
	"errors"
	"time"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A write is one request to change a room.
type write struct {
	ctx    context.Context // of the request: until the write is in a block, it is dropped when this ends
	room   id.RoomID
	key    dedupeKey
	device id.DeviceID // with txn: whose local echo the event is
	txn    string      // the client's own transaction id, empty if the API has none
	size   int         // bytes that it counts for in the queue
	decide decider

	// Set when it is queued.
	shard  int
	since  time.Time
	due    time.Time // since when the lane could get on with it; zero while it is parked. The queue's lock guards it
	waits  *list.Element
	answer chan answer // of capacity 1

	// lostAt is the epoch under which the database last said that the shard is lost: it is not tried again under that.
	lostAt int64
	// contended: the database was busy for too long with a block that held this write alone.
	contended bool
}

// A decider says, in the room's turn, what a write does to the room. It must not change the room. Errors that carry an
// *mxerr.Error are refusals; any other is a fault.
type decider func(*room) (decision, error)

// A decision is either events to add to the room, or the event that already says what was asked for.
type decision struct {
	create   *event.Event  // first event of a new room, already built
	add      []event.Proto // without prev_events, auth_events and depth
	attempt  []event.Proto // follow add, each if it can be built and the rules allow it
	existing id.EventID
	redacted *event.Event // what the m.room.redaction in add leaves of its target
}

func (d decision) events() int {
	n := len(d.add) + len(d.attempt)
	if d.create != nil {
		n++
	}
	return n
}

// An answer ends a write.
type answer struct {
	event id.EventID
	err   error
	// remembered: the answer follows from memory, not from a write of its own. The lease that it was computed under is to
	// be verified before it is told.
	remembered bool
	epoch      int64
}

var (
	// errNotOwner is answered with 421 and a hint who is.
	errNotOwner = errors.New("this worker does not own the room's shard")
	// errStopped is answered with 503: nothing was written.
	errStopped = errors.New("the persister is stopping")
	// errUnresolved is not answered at all: the process ends without knowing whether the event was written.
	errUnresolved = errors.New("the outcome of the write is not known")
)
