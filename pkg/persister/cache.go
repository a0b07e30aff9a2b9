package persister

import (
	"container/list"

	"github.com/myelin-hs/myelin/pkg/id"
)

// A cache holds a lane's rooms, bounded in number and bytes. Rooms with something going on are never evicted: the
// queue's bounds are theirs.
type cache struct {
	maxRooms, maxBytes int

	rooms  map[id.RoomID]*room
	recent list.List // of *room, the one used last in front
	bytes  int
}

func newCache(maxRooms, maxBytes int) *cache {
	return &cache{maxRooms: maxRooms, maxBytes: maxBytes, rooms: make(map[id.RoomID]*room)}
}

func (c *cache) get(roomID id.RoomID) *room {
	r := c.rooms[roomID]
	if r != nil {
		c.recent.MoveToFront(r.element)
	}
	return r
}

// put adds a room in place of the one with its id.
func (c *cache) put(r *room) {
	if old := c.rooms[r.id]; old != nil {
		c.drop(old)
	}
	c.rooms[r.id] = r
	r.element = c.recent.PushFront(r)
	c.resize(r)
}

// resize counts a room that has grown or shrunk anew.
func (c *cache) resize(r *room) {
	if c.rooms[r.id] != r {
		return
	}
	c.bytes += r.bytes - r.counted
	r.counted = r.bytes
}

// drop forgets a room, unless another has taken its place.
func (c *cache) drop(r *room) {
	if c.rooms[r.id] != r {
		return
	}
	delete(c.rooms, r.id)
	c.recent.Remove(r.element)
	c.bytes -= r.counted
	r.counted = 0
}

// dropWhere forgets the rooms for which it is true. One that is being loaded, or has events in a block, stays until that has come
// to its end, under an epoch that never counts.
func (c *cache) dropWhere(which func(*room) bool) {
	for _, r := range c.rooms {
		switch {
		case !which(r):
		case r.loading, r.tail != nil:
			r.epoch = 0
		default:
			c.drop(r)
		}
	}
}

// evict brings the cache back into its bounds.
func (c *cache) evict() {
	for e := c.recent.Back(); e != nil && (len(c.rooms) > c.maxRooms || c.bytes > c.maxBytes); {
		r := e.Value.(*room)
		e = e.Prev()
		if !r.loading && r.tail == nil && len(r.waiting) == 0 {
			c.drop(r)
		}
	}
}
