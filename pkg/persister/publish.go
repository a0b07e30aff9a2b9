package persister

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// publishBacklog bounds how many committed blocks of a lane wait for the bus.
const publishBacklog = 64

// A herald passes the committed blocks of one lane on, in order. What it cannot keep up with readers find in Postgres.
type herald struct {
	to     Publisher
	poke   func() bool // wakes the announcer, if it is in this process, and reports whether it is; may be nil
	log    *slog.Logger
	meter  *meter
	blocks chan heralded
}

// heralded is a block, and whether the announcer was woken for it.
type heralded struct {
	*block
	poked bool
}

func newHerald(to Publisher, poke func() bool, log *slog.Logger, m *meter) *herald {
	return &herald{to, poke, log, m, make(chan heralded, publishBacklog)}
}

// publish is pipeline.publish.
func (h *herald) publish(b *block) {
	poked := h.poke != nil && h.poke()
	select {
	case h.blocks <- heralded{b, poked}:
	default:
		h.meter.dropped.Inc()
	}
}

func (h *herald) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case b := <-h.blocks:
			if err := h.send(ctx, b); err != nil && ctx.Err() == nil {
				h.log.Warn("publish a block", "block", b.number, "error", err)
			}
		}
	}
}

// send pokes the announcer unless it was woken already: one in this process has not waited for the bodies, and a second poke
// would only cost another round.
func (h *herald) send(ctx context.Context, b heralded) error {
	rooms, users := messagesOf(b.block)
	return h.to.PublishBlock(ctx, rooms, users, !b.poked)
}

func messagesOf(b *block) ([]bus.RoomBlock, []bus.UserBlock) {
	rooms := make(map[id.RoomID]*bus.RoomBlock, len(b.rooms))
	users := make(map[int]*bus.UserBlock)
	for i, e := range b.entries {
		at := int64(b.position(i))
		r := rooms[e.room.id]
		if r == nil {
			r = &bus.RoomBlock{Block: b.number, RoomID: string(e.room.id)}
			rooms[e.room.id] = r
		}
		device, txn := e.echo()
		r.Events = append(r.Events, bus.RoomEvent{
			Position: at, EventID: string(e.ev.ID()), JSON: e.ev.JSON(), DeviceID: string(device), TxnID: txn,
		})
		if e.ev.Type() != "m.room.member" || !e.ev.IsState() {
			continue
		}
		key, _ := e.ev.StateKey()
		s := shard.UserShard(id.UserID(key))
		u := users[s]
		if u == nil {
			u = &bus.UserBlock{Block: b.number, UserShard: s}
			users[s] = u
		}
		u.Items = append(u.Items, bus.UserItem{
			UserID: key, RoomID: string(e.room.id), Membership: e.ev.Membership(), Position: at, EventID: string(e.ev.ID()),
		})
	}
	var rs []bus.RoomBlock
	for _, k := range slices.Sorted(maps.Keys(rooms)) {
		rs = append(rs, *rooms[k])
	}
	var us []bus.UserBlock
	for _, k := range slices.Sorted(maps.Keys(users)) {
		us = append(us, *users[k])
	}
	return rs, us
}
