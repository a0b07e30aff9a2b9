package sync

import (
	"log/slog"
	"sync"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

// A room is the model of one room.
type room struct {
	id   id.RoomID
	hash uint64

	// Of the cache, under its lock.
	refs    int
	counted int

	mu      sync.Mutex
	busy    chan struct{} // not nil while one request reads Postgres for the room; closed when it is done
	resets  int           // what was read before a reset does not count
	history *history      // nil: to be read
	absent  bool          // there was no such room when it was read
	inbox   inbox[bus.RoomBlock]
}

// cover notes that P covers a block that touches the room.
func (r *room) cover(block int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.history == nil && r.busy == nil {
		r.absent = false
		return // it will be read
	}
	r.inbox.cover(block)
	if len(r.inbox.want) > maxWanted {
		r.drop()
		return
	}
	r.apply()
}

// hear takes a body from the bus.
func (r *room) hear(b bus.RoomBlock) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.history == nil && r.busy == nil {
		return
	}
	r.inbox.hear(b.Block, b)
	r.apply()
}

// apply appends what is covered and here. The caller holds mu.
func (r *room) apply() {
	if r.history == nil {
		return
	}
	for b, ok := r.inbox.next(); ok; b, ok = r.inbox.next() {
		for _, x := range b.Events {
			e, err := loadEntry(r.history.version, position.Position(x.Position), x.EventID, x.JSON)
			if err != nil {
				slog.Warn("a body from the bus is not an event; reading the room anew", "room", r.id, "error", err)
				r.drop()
				return
			}
			e.device, e.txn = id.DeviceID(x.DeviceID), x.TxnID
			r.history.append(e)
		}
	}
}

// drop forgets the history; the next request reads the room anew. The caller holds mu.
func (r *room) drop() {
	r.resets++
	r.history, r.absent = nil, false
	r.inbox.restart()
}

func (r *room) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
}

// install puts a history that was read in place, unless the room was reset meanwhile. The caller holds mu.
func (r *room) install(h *history, resets int) {
	if r.resets != resets {
		return
	}
	if h == nil {
		r.absent = true
		return
	}
	r.history = h
	r.inbox.settle(h.upto.Block())
	r.apply()
}

// release ends the time that one request reads for the room. The caller holds mu.
func (r *room) release() {
	close(r.busy)
	r.busy = nil
}
