package lease

import (
	"context"
	"fmt"
	"slices"

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

// reassign: slots, and rooms by themselves, → another shard, in one transaction: it locks the rows of all shards concerned,
// which waits for their blocks in flight, raises their epochs, so that nobody who reads an older map can write, and
// changes the map. Owners stay as they are. Rooms that have a shard of their own do not go with their slots. Workers that
// speak a protocol before liveMap read the map once only: while there are any, it returns ErrProtocol. Rows are locked in
// the order cluster_state, shard_lease.
func (r rows) reassign(ctx context.Context, slots []int, rooms []id.RoomID, to int) error {
	const old = `SELECT EXISTS (SELECT FROM worker WHERE state <> 3 AND protocol < $1)`
	const concerned = `
SELECT array_agg(DISTINCT coalesce(r.shard_id, s.shard_id)) FROM (
    SELECT slot, NULL AS room_id FROM unnest($1::int[]) u(slot)
    UNION ALL SELECT slot, room_id FROM unnest($2::int[], $3::text[]) u(slot, room_id)) w
  JOIN slot_shard s ON s.slot = w.slot LEFT JOIN room_shard r ON r.room_id = w.room_id`
	const raise = `
WITH l AS MATERIALIZED (
    SELECT shard_id FROM shard_lease WHERE space = $1 AND (shard_id = ANY($2) OR shard_id = $3) ORDER BY shard_id FOR UPDATE)
UPDATE shard_lease s SET epoch = s.epoch + 1 FROM l WHERE s.space = $1 AND s.shard_id = l.shard_id
RETURNING s.shard_id = $3`
	const moveSlots = `UPDATE slot_shard SET shard_id = $2, version = version + 1 WHERE slot = ANY($1)`
	const moveRooms = `
INSERT INTO room_shard AS r (room_id, shard_id) SELECT unnest($1::text[]), $2
ON CONFLICT (room_id) DO UPDATE SET shard_id = excluded.shard_id, version = r.version + 1`
	const renew = `UPDATE cluster_state SET map_version = map_version + 1`

	roomSlots := make([]int, len(rooms))
	for i, room := range rooms {
		roomSlots[i] = shard.Slot(room)
	}
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM cluster_state FOR UPDATE`); err != nil {
			return err
		}
		var outdated bool
		if err := tx.QueryRow(ctx, old, liveMap).Scan(&outdated); err != nil {
			return err
		}
		if outdated {
			return ErrProtocol
		}
		var from []int
		if err := tx.QueryRow(ctx, concerned, slots, roomSlots, rooms).Scan(&from); err != nil {
			return err
		}
		found, err := tx.Query(ctx, raise, Space, from, to)
		if err != nil {
			return err
		}
		raised, err := pgx.CollectRows(found, pgx.RowTo[bool])
		if err != nil {
			return err
		}
		if !slices.Contains(raised, true) {
			return ErrNoSuchShard
		}
		if _, err := tx.Exec(ctx, moveSlots, slots, to); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, moveRooms, rooms, to); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, renew)
		return err
	})
	if err != nil {
		return fmt.Errorf("change the map of rooms: %w", err)
	}
	return nil
}
