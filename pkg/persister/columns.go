package persister

import (
	"maps"
	"slices"

	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// columns are a block's rows as the arrays that the statements unnest. i is the event's index in the block.
type columns struct {
	touched struct {
		rooms      []string
		userShards []int32
	}
	events struct {
		slot          []int32
		room          []string
		i             []int64
		event, evType []string
		stateKey      []*string
		sender        []string
		depth         []int64
		shard         []int32
		epoch         []int64
		device, txn   []string
		json          [][]byte
	}
	deltas struct {
		slot                          []int32
		room, evType, stateKey, event []string
		i                             []int64
	}
	state struct {
		room, evType, stateKey, event []string
		i                             []int64
	}
	memberships struct {
		user, room, membership, event []string
		userShard                     []int16
		i                             []int64
	}
	rooms struct {
		room, version, creator []string
		slot                   []int32
		i                      []int64
	}
	redactions struct {
		room, event []string
		slot        []int32
		i           []int64
		json        [][]byte
	}
	keys keyColumns
}

// leases returns the shards of the block, sorted as everybody locks them, and their epochs.
func (b *block) leases() (shards []int32, epochs []int64) {
	for _, s := range slices.Sorted(maps.Keys(b.shards)) {
		shards = append(shards, int32(s))
		epochs = append(epochs, b.shards[s])
	}
	return shards, epochs
}

// place is one place in the state of one room.
type place struct {
	room id.RoomID
	key  eventauth.StateKeyTuple
}

func columnsOf(b *block) *columns {
	c := &columns{}
	newest := make(map[place]int) // an upsert takes each place once
	for i, e := range b.entries {
		c.addEvent(i, e, b.shards[e.room.shard])
		if key, ok := e.ev.StateKey(); ok {
			c.addDelta(i, e, key)
			newest[place{e.room.id, eventauth.StateKeyTuple{Type: e.ev.Type(), StateKey: key}}] = i
		}
		if e.ev.IsCreate() {
			c.addRoom(i, e)
		}
		if e.redacted != nil {
			c.addRedaction(i, e)
		}
		if e.first && e.write.key.txn != "" {
			c.keys.add(e.write.key, replyTo(e.ev))
		}
	}
	for i, e := range b.entries {
		key, ok := e.ev.StateKey()
		if ok && newest[place{e.room.id, eventauth.StateKeyTuple{Type: e.ev.Type(), StateKey: key}}] == i {
			c.addState(i, e, key)
		}
	}
	for roomID := range b.rooms {
		c.touched.rooms = append(c.touched.rooms, string(roomID))
	}
	slices.Sort(c.touched.rooms)
	slices.Sort(c.touched.userShards)
	c.touched.userShards = slices.Compact(c.touched.userShards)
	if c.touched.userShards == nil {
		c.touched.userShards = []int32{} // an empty array, not NULL
	}
	return c
}

// addEvent takes the epoch that the block is fenced with: the room's own is the loop's, which may have let go of the room.
func (c *columns) addEvent(i int, e entry, epoch int64) {
	t := &c.events
	t.slot = append(t.slot, int32(e.room.slot))
	t.room = append(t.room, string(e.room.id))
	t.i = append(t.i, int64(i))
	t.event = append(t.event, string(e.ev.ID()))
	t.evType = append(t.evType, e.ev.Type())
	var stateKey *string
	if key, ok := e.ev.StateKey(); ok {
		stateKey = &key
	}
	t.stateKey = append(t.stateKey, stateKey)
	t.sender = append(t.sender, string(e.ev.Sender()))
	t.depth = append(t.depth, e.ev.Depth())
	t.shard = append(t.shard, int32(e.room.shard))
	t.epoch = append(t.epoch, epoch)
	device, txn := e.echo()
	t.device = append(t.device, string(device))
	t.txn = append(t.txn, txn)
	t.json = append(t.json, e.ev.JSON())
}

// echo returns what tells the sender's device that the event is its own.
func (e entry) echo() (id.DeviceID, string) {
	if e.write.txn == "" {
		return "", ""
	}
	return e.write.device, e.write.txn
}

func (c *columns) addDelta(i int, e entry, key string) {
	t := &c.deltas
	t.slot = append(t.slot, int32(e.room.slot))
	t.room = append(t.room, string(e.room.id))
	t.evType = append(t.evType, e.ev.Type())
	t.stateKey = append(t.stateKey, key)
	t.i = append(t.i, int64(i))
	t.event = append(t.event, string(e.ev.ID()))
}

func (c *columns) addState(i int, e entry, key string) {
	t := &c.state
	t.room = append(t.room, string(e.room.id))
	t.evType = append(t.evType, e.ev.Type())
	t.stateKey = append(t.stateKey, key)
	t.i = append(t.i, int64(i))
	t.event = append(t.event, string(e.ev.ID()))
	if e.ev.Type() != "m.room.member" {
		return
	}
	user := shard.UserShard(id.UserID(key))
	c.touched.userShards = append(c.touched.userShards, int32(user))
	m := &c.memberships
	m.user = append(m.user, key)
	m.room = append(m.room, string(e.room.id))
	m.userShard = append(m.userShard, int16(user))
	m.membership = append(m.membership, e.ev.Membership())
	m.i = append(m.i, int64(i))
	m.event = append(m.event, string(e.ev.ID()))
}

// addRedaction takes an event once: an update of one row from two is the one or the other.
func (c *columns) addRedaction(i int, e entry) {
	t := &c.redactions
	target := string(e.redacted.ID())
	for j, other := range t.event {
		if other == target && t.room[j] == string(e.room.id) {
			return
		}
	}
	t.slot = append(t.slot, int32(e.room.slot))
	t.room = append(t.room, string(e.room.id))
	t.event = append(t.event, target)
	t.i = append(t.i, int64(i))
	t.json = append(t.json, e.redacted.JSON())
}

func (c *columns) addRoom(i int, e entry) {
	t := &c.rooms
	t.room = append(t.room, string(e.room.id))
	t.slot = append(t.slot, int32(e.room.slot))
	t.version = append(t.version, e.ev.Version().ID)
	t.creator = append(t.creator, string(e.ev.Sender()))
	t.i = append(t.i, int64(i))
}
