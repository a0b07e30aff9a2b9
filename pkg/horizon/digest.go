package horizon

import (
	"slices"
	"time"

	"github.com/myelin-hs/myelin/pkg/bus"
)

// digestSpacing is how far apart digests are: as far as announcements in a quiet time.
const digestSpacing = idleSpacing

// A digest joins what the rounds found, for followers that nobody attends (see [Follower.Attend]): a process that serves
// nobody is woken four times a second, however many blocks pass. It is told by a round that announces P, never later, so
// that P is as fresh by it as by the announcement.
type digest struct {
	pending *bus.Horizon // since the last one
	told    time.Time    // when the round of the last one began
}

// add takes a round that began now, and returns a digest that ends with it when one is due, or large.
func (d *digest) add(now time.Time, s step) (bus.Horizon, bool) {
	if p := d.pending; p != nil && p.Generation == s.Generation {
		p.P, p.Blocks = s.P, append(p.Blocks, s.Blocks...)
	} else {
		h := s.Horizon
		h.Blocks = slices.Clip(h.Blocks) // others have them too
		d.pending = &h
	}
	if !s.tells() || d.left(now) > 0 && !large(d.pending.Blocks) {
		return bus.Horizon{}, false
	}
	h := *d.pending
	d.pending, d.told = nil, now
	return h, true
}

// left returns for how long the next digest is not due.
func (d *digest) left(now time.Time) time.Duration { return d.told.Add(digestSpacing).Sub(now) }

// large reports whether an index is as long as that of one round may be.
func large(blocks []bus.BlockIndex) bool {
	rooms := 0
	for _, b := range blocks {
		rooms += len(b.Rooms)
	}
	return len(blocks) >= maxBlocks || rooms >= maxRooms
}
