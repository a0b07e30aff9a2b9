package sync

import (
	"context"
	"sync"

	"github.com/myelin-hs/myelin/pkg/bus"
)

// interest tells the bus what to bring. It does so on a goroutine of its own, because Redis may be slow or away, and
// what is not brought is read from Postgres.
type interest struct {
	mu     sync.Mutex
	rooms  map[string]bool // changes not told yet: true is wanted
	shards map[int]bool
	wake   chan struct{}
}

func newInterest() *interest {
	return &interest{rooms: map[string]bool{}, shards: map[int]bool{}, wake: make(chan struct{}, 1)}
}

// room and shard are called in the order of the changes; the last one counts.
func (i *interest) room(roomID string, wanted bool) {
	i.mu.Lock()
	i.rooms[roomID] = wanted
	i.mu.Unlock()
	i.signal()
}

func (i *interest) shard(number int, wanted bool) {
	i.mu.Lock()
	i.shards[number] = wanted
	i.mu.Unlock()
	i.signal()
}

func (i *interest) signal() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

func (i *interest) run(ctx context.Context, sub *bus.Subscriber) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-i.wake:
		}
		i.mu.Lock()
		rooms, shards := split(i.rooms), split(i.shards)
		clear(i.rooms)
		clear(i.shards)
		i.mu.Unlock()
		// Never without a channel: that would mean all of them.
		if len(rooms[true]) > 0 {
			sub.AddRooms(ctx, rooms[true]...)
		}
		if len(rooms[false]) > 0 {
			sub.RemoveRooms(ctx, rooms[false]...)
		}
		if len(shards[true]) > 0 {
			sub.AddUserShards(ctx, shards[true]...)
		}
		if len(shards[false]) > 0 {
			sub.RemoveUserShards(ctx, shards[false]...)
		}
	}
}

func split[T comparable](changes map[T]bool) map[bool][]T {
	all := map[bool][]T{}
	for name, wanted := range changes {
		all[wanted] = append(all[wanted], name)
	}
	return all
}
