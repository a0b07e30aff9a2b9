package persister

import "sync"

// An order is about a shard's lease: the loop obeys it between two writes.
type order struct {
	kind  orderKind
	shard int
	done  chan struct{} // quiesce: closed when nothing of the shard is in a block
	out   *outgoing     // copyOut: who takes the copies
}

type orderKind int

const (
	quiesce orderKind = iota
	granted
	lostLease
	copyOut
	reset
)

// orders is a lane's mailbox. It takes orders before the lane runs, and after.
type orders struct {
	wake chan struct{} // of capacity 1

	mu     sync.Mutex
	given  []order
	closed bool
}

// give leaves an order for the loop; it does not block. A lane that has stopped writes nothing: it is quiet at once.
func (o *orders) give(x order) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		if x.done != nil {
			close(x.done)
		}
		return
	}
	o.given = append(o.given, x)
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *orders) take() []order {
	o.mu.Lock()
	defer o.mu.Unlock()
	given := o.given
	o.given = nil
	return given
}

func (o *orders) close() {
	o.mu.Lock()
	o.closed = true
	given := o.given
	o.given = nil
	o.mu.Unlock()
	for _, x := range given {
		if x.done != nil {
			close(x.done)
		}
	}
}

func (l *lane) obey(o order) {
	switch o.kind {
	case quiesce:
		if _, quiesced := l.parked[o.shard]; !quiesced {
			l.parked[o.shard] = nil
		}
		l.quiescing[o.shard] = append(l.quiescing[o.shard], o.done)
		l.releaseQuiesced()
	case granted:
		l.preload(o.shard)
		l.unpark(o.shard)
	case copyOut:
		l.copyOut(o.shard, o.out)
	case lostLease:
		l.rooms.dropWhere(func(r *room) bool { return r.shard == o.shard })
		l.unpark(o.shard)
	case reset:
		l.rooms.dropWhere(func(*room) bool { return true })
		l.memory = newMemory(l.memory.size)
	}
}

// unpark lets the writes of a shard go on; without a lease that means to their 421.
func (l *lane) unpark(shard int) {
	l.queue.resume(l.parked[shard])
	l.ready = append(l.ready, l.parked[shard]...)
	delete(l.parked, shard)
}

// releaseQuiesced tells who waits for a shard to fall silent. A write that its failed block sent back to ready is no
// longer in flight: it will be parked.
func (l *lane) releaseQuiesced() {
	for shard, waiting := range l.quiescing {
		if l.inBlock(shard) {
			continue
		}
		for _, done := range waiting {
			close(done)
		}
		delete(l.quiescing, shard)
	}
}

func (l *lane) inBlock(shard int) bool {
	if _, ok := l.collecting.shards[shard]; ok {
		return true
	}
	if l.committing == nil {
		return false
	}
	_, ok := l.committing.shards[shard]
	return ok
}
