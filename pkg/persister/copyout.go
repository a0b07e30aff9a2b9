package persister

import (
	"context"
	"slices"
	"time"
)

// Bounds of what is copied of a shard.
const (
	maxCopiedRooms = 256
	maxCopiedBytes = 4 << 20
	// copiedIfUsed is how long ago a room may have had its turn.
	copiedIfUsed = time.Minute
	// maxSending is how many requests with copies are under way at once, of all shards: who leaves gives them all at once,
	// and sender and receivers hold each of them in memory as a whole.
	maxSending = 4
)

// An outgoing takes the copies of a shard's rooms. It belongs to the loop, but for ready.
type outgoing struct {
	ready chan *roomCopy // of capacity maxCopiedRooms; closed when all are there
	left  int
}

func newOutgoing() *outgoing { return &outgoing{ready: make(chan *roomCopy, maxCopiedRooms)} }

// add takes one of the copies that are left; nil: its block failed.
func (o *outgoing) add(c *roomCopy) {
	if c != nil {
		o.ready <- c
	}
	if o.left--; o.left == 0 {
		close(o.ready)
	}
}

// A copyInBlock is a copy that is true once the block has committed. head is the index of its newest event there.
type copyInBlock struct {
	copied *roomCopy
	head   int
	to     *outgoing
}

// copyOut copies the shard's rooms that are in use, those used last first. What is not committed yet is told only when it
// is: a room that is always in some block would never be copied otherwise.
func (l *lane) copyOut(shard int, to *outgoing) {
	to.left = 1 // this function
	epoch, ok := l.leases.OwnLease(shard)
	rooms, bytes, now := 0, 0, l.forge.now()
	for e := l.rooms.recent.Front(); ok && e != nil && rooms < maxCopiedRooms; e = e.Next() {
		r := e.Value.(*room)
		if r.shard != shard || r.epoch != epoch || r.loading || !r.exists() || now.Sub(r.used) > copiedIfUsed ||
			bytes+r.bytes > maxCopiedBytes {
			continue
		}
		rooms, bytes = rooms+1, bytes+r.bytes
		c := &roomCopy{room: r.id, version: r.version, epoch: epoch, position: r.at, head: r.heads[0], state: slices.Clone(r.state), bytes: r.bytes}
		to.left++
		if r.tail == nil {
			to.add(c)
			continue
		}
		r.tail.copies = append(r.tail.copies, copyInBlock{c, r.tail.newest(r), to})
	}
	to.add(nil)
}

// newest returns the index of the newest event of a room whose tail the block is.
func (b *block) newest(r *room) int {
	i := len(b.entries) - 1
	for b.entries[i].room != r {
		i--
	}
	return i
}

// Warm sends what is in memory of the shard's rooms in use to the worker that is to own it, until ctx ends. The shard is
// served meanwhile. What does not arrive is loaded from Postgres there. See lease.Warmer.
func (p *Persister) Warm(ctx context.Context, shard int, to int64) {
	if p.opts.SendCopies == nil {
		return
	}
	out := newOutgoing()
	p.lane(shard).orders.give(order{kind: copyOut, shard: shard, out: out})
	m := copiesMessage{Version: copiesVersion, Shard: shard}
	bytes := 0
	send := func() bool {
		if len(m.Rooms) == 0 {
			return true
		}
		select {
		case p.sending <- struct{}{}:
		case <-ctx.Done():
			return false
		}
		err := p.opts.SendCopies(ctx, to, m.encode())
		<-p.sending
		if err != nil && ctx.Err() == nil {
			p.log.Info("copy rooms to their next owner", "shard", shard, "to", to, "error", err)
		}
		m.Rooms, bytes = nil, 0
		return err == nil
	}
	for {
		select {
		case <-ctx.Done():
			return
		case c, more := <-out.ready:
			if !more {
				send()
				return
			}
			if bytes += c.bytes; bytes > MaxCopiesBytes/4 && !send() {
				return
			}
			m.Rooms = append(m.Rooms, messageOf(c))
		}
	}
}
