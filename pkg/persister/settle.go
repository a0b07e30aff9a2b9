package persister

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/myelin-hs/myelin/pkg/postgres"
)

// settle takes in what became of the committing block. An error ends the lane.
func (l *lane) settle(s settled) error {
	b := s.block
	l.committing = nil
	if !errors.Is(s.outcome.err, errNotSent) {
		l.queue.progress()
	}
	switch v := s.outcome.verdict; v {
	case committed:
		l.gathering.begin(time.Now(), len(b.writes), len(l.collecting.writes), s.took)
		l.conclude(b)
		return nil
	case foreign:
		l.restart(b, l.dissolve())
		return fmt.Errorf("commit a block: %w", s.outcome.err)
	case unknown:
		// The process is to end: who waits must not be told that nothing was written.
		for _, w := range b.writes {
			l.queue.finish(w, answer{err: errUnresolved})
		}
		for _, r := range b.riders {
			l.queue.finish(r.write, answer{err: errUnresolved})
		}
		if errors.Is(s.outcome.err, postgres.ErrOtherDatabase) {
			return fmt.Errorf("look for a block: %w", s.outcome.err)
		}
		return nil
	case lost:
		l.lose(b, s.outcome.lost)
	case repeated:
		for k, event := range s.outcome.found {
			l.memory.put(k, event)
		}
		if len(s.outcome.found) == 0 {
			l.halve(b, s.outcome.err)
		}
	case poisoned:
		l.halve(b, s.outcome.err)
	case contended:
		if len(b.writes) == 1 && !b.writes[0].contended {
			b.writes[0].contended = true // whoever holds the lock may be done by now
		} else {
			l.halve(b, s.outcome.err)
		}
		l.rest()
	case stale, notWritten:
		l.rest()
	}
	l.restart(b, l.dissolve())
	return nil
}

// rest lets the database alone for a while.
func (l *lane) rest() {
	l.pause = min(max(2*l.pause, minPause), maxPause)
	l.pauseUntil = time.After(l.pause)
}

// conclude answers a committed block.
func (l *lane) conclude(b *block) {
	l.pause = 0
	l.maxWrites = min(2*l.maxWrites, maxBlockEvents)
	for i, event := range b.answers() {
		w := b.writes[i]
		delete(l.inFlight, w.key)
		if b.generation == l.leases.Generation() {
			l.memory.put(w.key, event)
		}
		l.queue.finish(w, answer{event: event})
	}
	for _, r := range b.riders {
		l.queue.finish(r.write, r.answer)
	}
	for i, e := range b.entries {
		e.room.at = int64(b.position(i))
	}
	for _, c := range b.copies {
		c.copied.position = int64(b.position(c.head))
		c.to.add(c.copied)
	}
	for _, r := range b.rooms {
		if r.tail == b {
			r.tail = nil
			l.ready = append(l.ready, r.waiting...)
			r.waiting = nil
		}
	}
	l.rooms.evict()
	l.releaseQuiesced()
}

// lose marks the writes of lost shards. If Leases now shows a newer epoch as ours they start again, else they are
// answered errNotOwner in their turn.
func (l *lane) lose(b *block, shards []int) {
	for _, w := range b.writes {
		if slices.Contains(shards, w.shard) {
			w.lostAt = b.shards[w.shard]
		}
	}
}

// halve makes the next block half as large as b, which the database refused for some write of it. A write that was
// refused alone is answered.
func (l *lane) halve(b *block, err error) {
	if len(b.writes) > 1 {
		l.maxWrites = (len(b.writes) + 1) / 2
		return
	}
	w := b.writes[0]
	l.log.Warn("the database refuses an event", "room", w.room, "error", err)
	l.queue.finish(w, answer{err: refusedByDatabase(err)})
	b.writes = nil
	delete(l.inFlight, w.key)
}

// dissolve takes back the collecting block.
func (l *lane) dissolve() *block {
	b := l.collecting
	l.collecting = newBlock()
	return b
}

// restart forgets the rooms of blocks that were not written and puts their writes before all others, in order.
func (l *lane) restart(blocks ...*block) {
	var again []*write
	for _, b := range blocks {
		for _, w := range b.writes {
			delete(l.inFlight, w.key)
		}
		again = append(again, b.writes...)
	}
	for _, b := range blocks {
		for _, r := range b.riders {
			again = append(again, r.write)
		}
		for _, c := range b.copies {
			c.to.add(nil)
		}
		for _, r := range b.rooms {
			r.tail = nil
			l.rooms.drop(r)
			again = append(again, r.waiting...)
			r.waiting = nil
		}
	}
	l.ready = append(again, l.ready...)
	l.releaseQuiesced()
}
