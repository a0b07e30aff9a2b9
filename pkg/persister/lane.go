package persister

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
)

// A lane writes the rooms of the shards pinned to it. See the package comment. All fields below the line belong to the
// loop.
type lane struct {
	pipe   pipeline
	leases Leases
	forge  forge
	queue  *queue
	log    *slog.Logger
	meter  *meter
	copies *copies

	orders    *orders
	toCommit  chan *block
	committed chan settled
	toLoad    chan []want
	loadeds   chan loadResult

	// ---

	rooms      *cache
	memory     *memory
	inFlight   map[dedupeKey]inFlight
	ready      []*write         // to be processed, in order
	parked     map[int][]*write // by quiesced shard
	quiescing  map[int][]chan struct{}
	collecting *block
	gathering  gathering // what the collecting block stays for
	committing *block    // nil: the committer is idle
	outdated   bool      // the collecting block holds events that were built under a lease that is gone
	maxWrites  int       // of the next block: shrinks after a poisoned one
	wanted     []*room
	loading    int              // rooms that the loader is reading
	pauseUntil <-chan time.Time // non-nil: no commits until it fires
	pause      time.Duration
}

// inFlight is an event that will answer a key once its block has committed.
type inFlight struct {
	block *block
	event id.EventID
}

// settled is a block whose outcome is known.
type settled struct {
	block   *block
	outcome outcome
	took    time.Duration
}

const (
	minPause = 10 * time.Millisecond
	maxPause = 500 * time.Millisecond
)

type laneConfig struct {
	pipe       pipeline
	leases     Leases
	forge      forge
	log        *slog.Logger
	meter      *meter
	copies     *copies
	cacheRooms int
	cacheBytes int
	memoryKeys int
}

func newLane(c laneConfig) *lane {
	return &lane{
		pipe: c.pipe, leases: c.leases, forge: c.forge, queue: newQueue(), log: c.log, meter: c.meter, copies: c.copies,
		orders: &orders{wake: make(chan struct{}, 1)}, toCommit: make(chan *block), committed: make(chan settled),
		toLoad: make(chan []want), loadeds: make(chan loadResult),
		rooms: newCache(c.cacheRooms, c.cacheBytes), memory: newMemory(c.memoryKeys),
		inFlight: make(map[dedupeKey]inFlight), parked: make(map[int][]*write),
		quiescing: make(map[int][]chan struct{}), collecting: newBlock(), maxWrites: maxBlockEvents,
	}
}

// run is the lane until ctx ends or the database turns out to be another one. Blocks in flight are brought to
// their end first; whoever still waits then is answered errStopped.
func (l *lane) run(ctx context.Context) error {
	var workers sync.WaitGroup
	// The committer and the loader end when the loop has: a commit is not cut off because the process stops.
	working, release := context.WithCancel(context.WithoutCancel(ctx))
	workers.Go(func() { l.commitBlocks(ctx, working) })
	workers.Go(func() { l.loadRooms(working) })
	err := l.loop(ctx)
	release()
	workers.Wait()
	l.queue.close(errStopped, answer{err: errStopped})
	l.orders.close()
	for _, waiting := range l.quiescing {
		for _, done := range waiting {
			close(done)
		}
	}
	return err
}

func (l *lane) loop(ctx context.Context) error {
	stopping := ctx.Done()
	for {
		if stopping == nil && l.committing == nil {
			return nil
		}
		if stopping != nil {
			l.pump()
		}
		// A block goes out once the committer is idle and all has been gathered; events join it until then.
		var out chan *block
		if l.committing == nil && l.pauseUntil == nil && stopping != nil && l.goes() {
			out = l.toCommit
		}
		var load chan []want
		var wants []want
		if l.loading == 0 && len(l.wanted) > 0 {
			load, wants = l.toLoad, l.nextLoad()
		}
		select {
		case <-l.queue.wake:
			l.ready = append(l.ready, l.queue.take()...)
		case out <- l.collecting:
			l.committing, l.collecting = l.collecting, newBlock()
			l.gathering.end()
		case s := <-l.committed:
			if err := l.settle(s); err != nil {
				return err
			}
		case load <- wants:
			l.loading, l.wanted = len(wants), nil
		case r := <-l.loadeds:
			l.adopt(r)
		case <-l.orders.wake:
			for _, o := range l.orders.take() {
				l.obey(o)
			}
		case <-l.gathering.until:
			l.gathering.end()
		case <-l.pauseUntil:
			l.pauseUntil = nil
		case <-stopping:
			stopping = nil
		}
	}
}

// pump takes what is ready through its room's turn, as long as the collecting block has room for it. A collecting block
// that is outdated is built again, but not before the block in flight has come to its end: rooms of that one would be
// read without its events.
func (l *lane) pump() {
	for {
		l.outdated = false
		n := 0
		for n < len(l.ready) && !l.collecting.full(l.maxWrites) {
			w := l.ready[n]
			if !l.turn(w) {
				break
			}
			n++
		}
		clear(l.ready[:n])
		l.ready = l.ready[n:]
		if !l.outdated || l.committing != nil {
			return
		}
		l.restart(l.dissolve())
	}
}

// turn brings a write as far as it comes without waiting. It returns false if the write has to come again, because the
// collecting block is too full for it.
func (l *lane) turn(w *write) bool {
	if w.ctx.Err() != nil {
		l.queue.finish(w, answer{err: w.ctx.Err()})
		return true
	}
	if waiting, quiesced := l.parked[w.shard]; quiesced {
		l.parked[w.shard] = append(waiting, w)
		l.queue.suspend(w)
		return true
	}
	epoch, ok := l.leases.OwnLease(w.shard)
	if !ok || epoch <= w.lostAt || l.leases.ShardOf(w.room) != w.shard {
		l.queue.finish(w, answer{err: errNotOwner})
		return true
	}
	if first, ok := l.inFlight[w.key]; ok {
		first.block.riders = append(first.block.riders, rider{w, answer{event: first.event}})
		return true
	}
	if event, ok := l.memory.get(w.key); ok {
		l.queue.finish(w, answer{event: event})
		return true
	}
	r := l.rooms.get(w.room)
	switch {
	case r != nil && r.loading:
		r.waiting = append(r.waiting, w)
		return true
	case r != nil && r.epoch != epoch && r.tail != nil:
		// What is in flight was built under an older epoch; it is read back when it has come to its end.
		r.waiting = append(r.waiting, w)
		return true
	case r == nil || r.epoch != epoch:
		r = newRoom(w.room, w.shard, epoch)
		r.waiting = append(r.waiting, w)
		l.rooms.put(r)
		l.wanted = append(l.wanted, r)
		return true
	}
	return l.act(r, w)
}

// act is the room's turn: decide, build, authorise and sign, and put the events into the collecting block.
func (l *lane) act(r *room, w *write) bool {
	r.used = l.forge.now()
	d, err := w.decide(r)
	if err == nil && d.existing == "" {
		if !l.collecting.fits(d.events(), w.size, l.maxWrites) {
			return false
		}
		if epoch, ok := l.collecting.shards[r.shard]; ok && epoch != r.epoch {
			l.outdated = true
			return false
		}
		err = l.extend(r, w, d)
	}
	switch {
	case err != nil && d.create != nil:
		l.ride(r, w, answer{err: refusal(roomRefusal(err))})
	case err != nil:
		l.ride(r, w, answer{err: refusal(err)})
	case d.existing != "":
		l.ride(r, w, answer{event: d.existing})
	}
	return true
}

func (l *lane) extend(r *room, w *write, d decision) error {
	events, err := l.forge.extend(r, d)
	if err != nil {
		if len(events) > 0 {
			// Some of its events are in the room already: it has never been.
			l.rooms.drop(r)
		}
		return err
	}
	l.collecting.add(w, r, events, d.redacted)
	if w.key.txn != "" {
		l.inFlight[w.key] = inFlight{l.collecting, replyTo(events[0])}
	}
	l.rooms.resize(r)
	return nil
}

// ride answers a write from what the room is, once everything that this follows from has committed.
func (l *lane) ride(r *room, w *write, a answer) {
	a.remembered, a.epoch = true, r.epoch
	if r.tail == nil {
		l.queue.finish(w, a)
		return
	}
	r.tail.riders = append(r.tail.riders, rider{w, a})
}

// submit queues a write and waits for its answer.
func (l *lane) submit(w *write) answer {
	w.answer = make(chan answer, 1)
	if err := l.queue.push(w, time.Now()); err != nil {
		return answer{err: err}
	}
	select {
	case a := <-w.answer:
		return a
	case <-w.ctx.Done():
		return answer{err: w.ctx.Err()}
	}
}
