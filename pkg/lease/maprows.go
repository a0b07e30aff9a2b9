package lease

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// This file holds the map from rooms to shards, with its SQL. Whoever holds a shard has read the map after the shard's
// epoch, and a change of the map raises the epochs of the shards concerned in its own transaction. So no block commits
// by an older map (I1).

// roomMap says which shard a room belongs to.
type roomMap struct {
	version   int64 // the rows are this old or newer
	slots     [shard.Slots]int32
	dedicated map[id.RoomID]int32
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// readRoomMap reads the version first: a change in between is noticed by it.
func readRoomMap(ctx context.Context, db querier) (*roomMap, error) {
	m := &roomMap{dedicated: map[id.RoomID]int32{}}
	if err := db.QueryRow(ctx, `SELECT map_version FROM cluster_state`).Scan(&m.version); err != nil {
		return nil, fmt.Errorf("read the version of the map of rooms: %w", err)
	}
	found, err := db.Query(ctx, `SELECT slot, shard_id FROM slot_shard WHERE slot >= 0 AND slot < $1`, shard.Slots)
	if err != nil {
		return nil, fmt.Errorf("read the map of slots: %w", err)
	}
	var slot, sid int32
	tag, err := pgx.ForEachRow(found, []any{&slot, &sid}, func() error { m.slots[slot] = sid; return nil })
	if err != nil {
		return nil, fmt.Errorf("read the map of slots: %w", err)
	}
	if n := tag.RowsAffected(); n != shard.Slots {
		return nil, fmt.Errorf("read the map of slots: %d of %d there: the schema isn't seeded", n, shard.Slots)
	}
	found, err = db.Query(ctx, `SELECT room_id, shard_id FROM room_shard`)
	if err != nil {
		return nil, fmt.Errorf("read the map of rooms: %w", err)
	}
	var room string
	_, err = pgx.ForEachRow(found, []any{&room, &sid}, func() error { m.dedicated[id.RoomID(room)] = sid; return nil })
	if err != nil {
		return nil, fmt.Errorf("read the map of rooms: %w", err)
	}
	return m, nil
}
