package lease

import (
	"context"
	"fmt"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// liveMap is the protocol from which on workers follow a map from rooms to shards that changes.
const liveMap = 2

// Reassign moves slots (0 to 4095), and rooms by themselves, to another shard that exists, whoever owns it: to split or
// merge shards, or to keep a busy room apart. Requests for these rooms wait for an instant; none fails. Rooms that were
// moved by themselves stay where they are when their slot moves. It returns ErrNoSuchShard, or ErrProtocol while
// workers of an older build are there, which would not notice.
func (m *Manager) Reassign(ctx context.Context, slots []int, rooms []id.RoomID, to int) error {
	for _, s := range slots {
		if s < 0 || s >= shard.Slots {
			return fmt.Errorf("reassign slot %d: there are %d", s, shard.Slots)
		}
	}
	if len(slots)+len(rooms) == 0 {
		return nil
	}
	if err := m.rows.reassign(ctx, slots, rooms, to); err != nil {
		return err
	}
	for _, w := range m.Table().Workers() {
		m.nudge(w.ID)
	}
	return nil
}
