package sync

import (
	"container/list"
	"slices"
	"sync"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/id"
)

// rooms is the cache of room models. The least recently used ones that no request holds go when there are too many, or
// when they are too large together.
type rooms struct {
	maxRooms, maxBytes int
	interest           *interest

	mu     sync.Mutex
	byID   map[id.RoomID]*list.Element // of *room, most recently used first
	byHash map[uint64][]*room
	order  *list.List
	bytes  int
}

func newRooms(maxRooms, maxBytes int, i *interest) *rooms {
	return &rooms{
		maxRooms: maxRooms, maxBytes: maxBytes, interest: i,
		byID: map[id.RoomID]*list.Element{}, byHash: map[uint64][]*room{}, order: list.New(),
	}
}

// hold returns the models of rooms, which stay in the cache until they are let go.
func (c *rooms) hold(ids []id.RoomID) []*room {
	held := make([]*room, len(ids))
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, roomID := range ids {
		el, ok := c.byID[roomID]
		if !ok {
			r := &room{id: roomID, hash: bus.RoomHash(string(roomID))}
			el = c.order.PushFront(r)
			c.byID[roomID] = el
			c.byHash[r.hash] = append(c.byHash[r.hash], r)
			c.interest.room(string(roomID), true)
			metricRooms.Inc()
		}
		c.order.MoveToFront(el)
		held[i] = el.Value.(*room)
		held[i].refs++
	}
	return held
}

// letGo undoes hold, and evicts.
func (c *rooms) letGo(held []*room) {
	sizes := make([]int, len(held))
	for i, r := range held {
		r.mu.Lock()
		if r.history != nil {
			sizes[i] = r.history.bytes
		}
		r.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range held {
		r.refs--
		c.bytes += sizes[i] - r.counted
		r.counted = sizes[i]
	}
	for el := c.order.Back(); el != nil && (len(c.byID) > c.maxRooms || c.bytes > c.maxBytes); {
		previous := el.Prev()
		if r := el.Value.(*room); r.refs == 0 {
			c.remove(el, r)
		}
		el = previous
	}
	metricRoomBytes.Set(float64(c.bytes))
}

func (c *rooms) remove(el *list.Element, r *room) {
	c.order.Remove(el)
	delete(c.byID, r.id)
	same := slices.DeleteFunc(c.byHash[r.hash], func(x *room) bool { return x == r })
	if len(same) == 0 {
		delete(c.byHash, r.hash)
	} else {
		c.byHash[r.hash] = same
	}
	c.bytes -= r.counted
	c.interest.room(string(r.id), false)
	metricRooms.Dec()
}

func (c *rooms) get(roomID id.RoomID) *room {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byID[roomID]; ok {
		return el.Value.(*room)
	}
	return nil
}

// touched returns the models with a hash.
func (c *rooms) touched(hash uint64) []*room {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.byHash[hash])
}

func (c *rooms) all() []*room {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*room
	for el := c.order.Front(); el != nil; el = el.Next() {
		all = append(all, el.Value.(*room))
	}
	return all
}
