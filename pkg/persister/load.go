package persister

import (
	"context"
	"time"

	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// A loadOrder is what the loader reads at once: rooms, and the keys of the writes that wait for them.
type loadOrder struct {
	rooms []*room
	keys  []dedupeKey
}

type loadResult struct {
	order  loadOrder
	loaded loaded
}

// nextLoad is an order for the wanted rooms.
func (l *lane) nextLoad() loadOrder {
	o := loadOrder{rooms: l.wanted}
	for _, r := range o.rooms {
		for _, w := range r.waiting {
			if w.key.txn != "" {
				o.keys = append(o.keys, w.key)
			}
		}
	}
	return o
}

// loadRooms is the loader: one order at a time, until working ends.
func (l *lane) loadRooms(working context.Context) {
	for {
		select {
		case <-working.Done():
			return
		case o := <-l.toLoad:
			got, ok := l.read(working, o)
			if !ok {
				return
			}
			select {
			case l.loadeds <- loadResult{o, got}:
			case <-working.Done():
				return
			}
		}
	}
}

// read does not give up: while the database cannot be read, nothing could be written either.
func (l *lane) read(working context.Context, o loadOrder) (loaded, bool) {
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		ctx, cancel := context.WithTimeout(working, commitTimeout)
		got, err := l.pipe.load(ctx, o.rooms, o.keys)
		cancel()
		if err == nil {
			l.meter.loads.Inc()
			return got, true
		}
		l.log.Warn("load rooms", "rooms", len(o.rooms), "error", err)
		select {
		case <-working.Done():
			return loaded{}, false
		case <-time.After(pause):
		}
	}
}

// adopt takes loaded rooms into memory and lets who waited for them go on.
func (l *lane) adopt(r loadResult) {
	l.loading = false
	for k, event := range r.loaded.keys {
		l.memory.put(k, event)
	}
	var again []*write
	for _, room := range r.order.rooms {
		room.loading = false
		switch s := r.loaded.rooms[room.id]; {
		case s == nil: // there is no such room
		case s.err != nil:
			l.giveUp(room, s.err)
			continue
		default:
			room.adopt(s)
		}
		again = append(again, room.waiting...)
		room.waiting = nil
		l.rooms.resize(room)
	}
	l.ready = append(again, l.ready...)
	l.rooms.evict()
}

// giveUp answers who waits for a room that was read and cannot be understood.
func (l *lane) giveUp(r *room, err error) {
	l.log.Error("load a room", "room", r.id, "error", err)
	for _, w := range r.waiting {
		l.queue.finish(w, answer{err: mxerr.Internal(err)})
	}
	r.waiting = nil
	l.rooms.drop(r)
}
