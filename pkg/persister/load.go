package persister

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// A want is a room to be loaded, and the keys of the writes that wait for it.
type want struct {
	room *room
	keys []dedupeKey
	copy *roomCopy // what another worker says that it was; nil: nothing
}

// loaded is what the loader read: rooms that exist, and keys that were answered before.
type loaded struct {
	rooms map[id.RoomID]*snapshot
	keys  map[dedupeKey]id.EventID
}

type loadResult struct {
	wants  []want
	loaded loaded
}

// nextLoad is what the loader is to read at once: all wanted rooms.
func (l *lane) nextLoad() []want {
	wants := make([]want, len(l.wanted))
	for i, r := range l.wanted {
		wants[i] = want{room: r, copy: r.copy}
		for _, w := range r.waiting {
			if w.key.txn != "" {
				wants[i].keys = append(wants[i].keys, w.key)
			}
		}
	}
	return wants
}

// loadRooms is the loader: one order at a time, until working ends.
func (l *lane) loadRooms(working context.Context) {
	for {
		select {
		case <-working.Done():
			return
		case wants := <-l.toLoad:
			l.read(working, wants)
		}
	}
}

// read reads rooms and hands them to the loop. A set that cannot be read for some room of it is halved, until that room
// fails alone. It returns before all are read only when working has ended.
func (l *lane) read(working context.Context, wants []want) {
	got, err := l.attempt(working, wants)
	if err != nil && len(wants) > 1 {
		half := len(wants) / 2
		l.read(working, wants[:half])
		l.read(working, wants[half:])
		return
	}
	if err != nil {
		got = loaded{rooms: map[id.RoomID]*snapshot{wants[0].room.id: {err: err}}}
	}
	select {
	case l.loadeds <- loadResult{wants, got}:
	case <-working.Done():
	}
}

// attempt reads rooms. It does not give up while the database cannot be read at all: nothing could be written either. An
// error is about some room.
func (l *lane) attempt(working context.Context, wants []want) (loaded, error) {
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		ctx, cancel := context.WithTimeout(working, commitTimeout)
		got, err := l.pipe.load(ctx, wants)
		cancel()
		if err == nil {
			l.meter.loads.Inc()
			return got, nil
		}
		l.log.Warn("load rooms", "rooms", len(wants), "error", err)
		if working.Err() != nil || ofWhatIsRead(err) {
			return loaded{}, err
		}
		select {
		case <-working.Done():
			return loaded{}, err
		case <-time.After(pause):
		}
	}
}

// ofWhatIsRead reports whether reading failed for what was asked for, or for what was found, or took too long: without
// some of it, the rest may be read.
func ofWhatIsRead(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return ofFault(pg) || ofClass(pg, "55P03", "57014")
	}
	return errors.As(err, new(pgx.ScanArgError)) || errors.Is(err, context.DeadlineExceeded)
}

// adopt takes loaded rooms into memory and lets who waited for them go on.
func (l *lane) adopt(r loadResult) {
	l.loading -= len(r.wants)
	for k, event := range r.loaded.keys {
		l.memory.put(k, event)
	}
	var again []*write
	for _, want := range r.wants {
		room := want.room
		room.loading, room.copy = false, nil
		s := r.loaded.rooms[room.id]
		switch {
		case want.copy == nil:
		case s != nil && s.copied:
			l.meter.copies.used.Inc()
		default:
			l.meter.copies.refused.Inc()
		}
		switch {
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

// giveUp answers who waits for a room that cannot be read, or was and cannot be understood.
func (l *lane) giveUp(r *room, err error) {
	l.log.Error("load a room", "room", r.id, "error", err)
	var pg *pgconn.PgError
	answered := error(mxerr.Internal(err))
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &pg) && !ofFault(pg) {
		answered = mxerr.Unavailable(time.Second, "The room takes too long to read").WithCause(err)
	}
	for _, w := range r.waiting {
		l.queue.finish(w, answer{err: answered})
	}
	r.waiting = nil
	l.rooms.drop(r)
}
