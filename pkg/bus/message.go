package bus

import "encoding/binary"

// version is the first byte of every message.
const version = 1

// Horizon says that every committed row at or below P is visible and none will be added there. Positions are
// block<<10|index. Blocks lists every committed block in (Prev, P]; who has another Prev missed some.
type Horizon struct {
	Generation int64
	Prev, P    int64
	Blocks     []BlockIndex
}

// BlockIndex says what one block touched.
type BlockIndex struct {
	Block      int64
	Rooms      []uint64 // RoomHash
	UserShards []uint16
	Revoked    [][]byte // hashes of access tokens that it revokes
}

// RoomBlock is one block's events of one room.
type RoomBlock struct {
	Block  int64
	RoomID string
	Events []RoomEvent
}

// RoomEvent is an event as it was stored.
type RoomEvent struct {
	Position int64
	EventID  string
	JSON     []byte
	DeviceID string // the sender's device and transaction id, for unsigned.transaction_id
	TxnID    string
}

// UserBlock is what one block addresses to the users of one user shard.
type UserBlock struct {
	Block     int64
	UserShard int
	Items     []UserItem
}

// UserItem is a user's own new membership of a room.
type UserItem struct {
	UserID     string
	RoomID     string
	Membership string
	Position   int64
	EventID    string
}

func (h Horizon) encode() []byte {
	b := appendInts([]byte{version}, h.Generation, h.Prev, h.P, int64(len(h.Blocks)))
	last := h.Prev >> 10
	for _, x := range h.Blocks {
		b = appendInts(b, x.Block-last, int64(len(x.Rooms)))
		last = x.Block
		for _, r := range x.Rooms {
			b = binary.LittleEndian.AppendUint64(b, r)
		}
		b = appendInts(b, int64(len(x.UserShards)))
		for _, u := range x.UserShards {
			b = appendInts(b, int64(u))
		}
		b = appendInts(b, int64(len(x.Revoked)))
		for _, r := range x.Revoked {
			b = appendBytes(b, r)
		}
	}
	return b
}

func decodeHorizon(msg []byte) (Horizon, bool) {
	d := newDecoder(msg)
	h := Horizon{Generation: d.int(), Prev: d.int(), P: d.int()}
	last := h.Prev >> 10
	for range d.count() {
		x := BlockIndex{Block: last + d.int()}
		last = x.Block
		for range d.count() {
			x.Rooms = append(x.Rooms, d.uint64())
		}
		for range d.count() {
			x.UserShards = append(x.UserShards, uint16(d.int()))
		}
		for range d.count() {
			x.Revoked = append(x.Revoked, d.bytes())
		}
		h.Blocks = append(h.Blocks, x)
	}
	return h, d.done()
}

func (r RoomBlock) encode() []byte {
	b := appendInts([]byte{version}, r.Block)
	b = appendBytes(b, []byte(r.RoomID))
	b = appendInts(b, int64(len(r.Events)))
	for _, e := range r.Events {
		b = appendInts(b, e.Position)
		b = appendStrings(b, e.EventID, e.DeviceID, e.TxnID)
		b = appendBytes(b, e.JSON)
	}
	return b
}

func decodeRoomBlock(msg []byte) (RoomBlock, bool) {
	d := newDecoder(msg)
	r := RoomBlock{Block: d.int(), RoomID: d.string()}
	for range d.count() {
		r.Events = append(r.Events, RoomEvent{Position: d.int(), EventID: d.string(), DeviceID: d.string(), TxnID: d.string(), JSON: d.bytes()})
	}
	return r, d.done()
}

func (u UserBlock) encode() []byte {
	b := appendInts([]byte{version}, u.Block, int64(u.UserShard), int64(len(u.Items)))
	for _, i := range u.Items {
		b = appendStrings(b, i.UserID, i.RoomID, i.Membership, i.EventID)
		b = appendInts(b, i.Position)
	}
	return b
}

func decodeUserBlock(msg []byte) (UserBlock, bool) {
	d := newDecoder(msg)
	u := UserBlock{Block: d.int(), UserShard: int(d.int())}
	for range d.count() {
		u.Items = append(u.Items, UserItem{UserID: d.string(), RoomID: d.string(), Membership: d.string(), EventID: d.string(), Position: d.int()})
	}
	return u, d.done()
}

func appendInts(b []byte, ints ...int64) []byte {
	for _, i := range ints {
		b = binary.AppendVarint(b, i)
	}
	return b
}

func appendBytes(b, s []byte) []byte { return append(binary.AppendVarint(b, int64(len(s))), s...) }

func appendStrings(b []byte, all ...string) []byte {
	for _, s := range all {
		b = append(binary.AppendVarint(b, int64(len(s))), s...)
	}
	return b
}

// decoder reads a message and remembers that it was malformed: every later read is then zero.
type decoder struct {
	rest []byte
	bad  bool
}

func newDecoder(msg []byte) *decoder {
	if len(msg) == 0 || msg[0] != version {
		return &decoder{bad: true}
	}
	return &decoder{rest: msg[1:]}
}

func (d *decoder) done() bool { return !d.bad && len(d.rest) == 0 }

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count is a length of at most what is left: each element takes a byte or more.
func (d *decoder) count() int {
	n := d.int()
	if n < 0 || n > int64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte {
	n := d.count()
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) string() string { return string(d.bytes()) }

func (d *decoder) uint64() uint64 {
	if len(d.rest) < 8 {
		d.bad, d.rest = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return v
}
