package sync

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// All reads are set-wise: one statement for any number of rooms. Lateral subqueries with a LIMIT or OFFSET keep the
// planner, which may know nothing of a young table, from anything but an index lookup for each row.

// A reach is a part of one room's stream: at most limit events in (after, upto], the newest.
type reach struct {
	room        id.RoomID
	after, upto position.Position
	limit       int
}

const maxPosition = position.Position(1<<63 - 1)

// A stretch is what was read for a reach, newest first. Less than the limit means that there are no more.
type stretch struct {
	version string
	events  []*entry
}

const selectRun = `
SELECT r.ord, ro.version, e.position, e.event_id, e.device_id, e.txn_id, e.json, d.position, d.event_id, pe.json,
    eb.event_id, eb.json, pb.event_id, pb.json
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::int[]) WITH ORDINALITY r(room_id, slot, after, upto, n, ord)
JOIN room ro ON ro.room_id = r.room_id
CROSS JOIN LATERAL (
    SELECT e.position, e.event_id, e.type, e.state_key, e.device_id, e.txn_id, e.json, e.redacted_by FROM event e
    WHERE e.slot = r.slot AND e.room_id = r.room_id AND e.position > r.after AND e.position <= r.upto
    ORDER BY e.position DESC LIMIT r.n) e
LEFT JOIN LATERAL (
    SELECT d.position, d.event_id FROM state_delta d
    WHERE e.state_key IS NOT NULL AND d.slot = r.slot AND d.room_id = r.room_id
      AND d.type = e.type AND d.state_key = e.state_key AND d.position < e.position
    ORDER BY d.position DESC LIMIT 1) d ON true
LEFT JOIN LATERAL (
    SELECT pe.json, pe.redacted_by FROM event pe
    WHERE pe.slot = r.slot AND pe.room_id = r.room_id AND pe.position = d.position LIMIT 1) pe ON true
LEFT JOIN LATERAL (
    SELECT b.event_id, b.json FROM event b
    WHERE b.slot = r.slot AND b.room_id = r.room_id AND b.position = e.redacted_by LIMIT 1) eb ON true
LEFT JOIN LATERAL (
    SELECT b.event_id, b.json FROM event b
    WHERE b.slot = r.slot AND b.room_id = r.room_id AND b.position = pe.redacted_by LIMIT 1) pb ON true
ORDER BY r.ord, e.position DESC`

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func selectRuns(ctx context.Context, db querier, reaches []reach) ([]stretch, error) {
	rooms, slots := make([]string, len(reaches)), make([]int32, len(reaches))
	after, upto, limits := make([]int64, len(reaches)), make([]int64, len(reaches)), make([]int32, len(reaches))
	for i, r := range reaches {
		rooms[i], slots[i] = string(r.room), int32(shard.Slot(r.room))
		after[i], upto[i], limits[i] = int64(r.after), int64(r.upto), int32(r.limit)
	}
	rows, err := db.Query(ctx, selectRun, rooms, slots, after, upto, limits)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	all := make([]stretch, len(reaches))
	for rows.Next() {
		var ord int
		var version, eventID, device, txn string
		var p position.Position
		var raw, oldRaw, becauseRaw, oldBecauseRaw []byte
		var oldPosition *position.Position
		var oldID, because, oldBecause *string
		if err := rows.Scan(&ord, &version, &p, &eventID, &device, &txn, &raw, &oldPosition, &oldID, &oldRaw,
			&because, &becauseRaw, &oldBecause, &oldBecauseRaw); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		e, err := loadEntry(version, p, eventID, raw)
		if err != nil {
			return nil, err
		}
		e.device, e.txn = id.DeviceID(device), txn
		if err := e.redactedBy(because, becauseRaw); err != nil {
			return nil, err
		}
		if oldRaw != nil {
			old, err := loadEntry(version, *oldPosition, *oldID, oldRaw)
			if err != nil {
				return nil, err
			}
			if err := old.redactedBy(oldBecause, oldBecauseRaw); err != nil {
				return nil, err
			}
			e.replace(old)
		}
		s := &all[ord-1]
		s.version = version
		s.events = append(s.events, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return all, nil
}

const selectCurrentState = `
SELECT r.ord, ro.version, c.position, c.event_id, e.json, b.event_id, b.json
FROM unnest($1::text[], $2::int[]) WITH ORDINALITY r(room_id, slot, ord)
JOIN room ro ON ro.room_id = r.room_id
CROSS JOIN LATERAL (SELECT c.position, c.event_id FROM current_state c WHERE c.room_id = r.room_id OFFSET 0) c
CROSS JOIN LATERAL (
    SELECT e.json, e.redacted_by FROM event e
    WHERE e.slot = r.slot AND e.room_id = r.room_id AND e.position = c.position LIMIT 1) e` + becauseOfState

// becauseOfState adds the redactions to events e of state.
const becauseOfState = `
LEFT JOIN LATERAL (
    SELECT b.event_id, b.json FROM event b
    WHERE b.slot = r.slot AND b.room_id = r.room_id AND b.position = e.redacted_by LIMIT 1) b ON true`

// loadHistories reads rooms as they are now: state and run in one snapshot. A room that is not there is nil.
func loadHistories(ctx context.Context, pool *pgxpool.Pool, rooms []id.RoomID, limit int) ([]*history, error) {
	names, slots, reaches := make([]string, len(rooms)), make([]int32, len(rooms)), make([]reach, len(rooms))
	for i, r := range rooms {
		names[i], slots[i], reaches[i] = string(r), int32(shard.Slot(r)), reach{room: r, upto: maxPosition, limit: limit}
	}
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("read rooms: %w", err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	states, err := selectStates(ctx, tx, len(rooms), selectCurrentState, names, slots)
	if err != nil {
		return nil, err
	}
	runs, err := selectRuns(ctx, tx, reaches)
	if err != nil {
		return nil, err
	}
	return histories(states, runs, limit), nil
}

// A place is a room at a position.
type place struct {
	room id.RoomID
	at   position.Position
}

const selectStateAt = `
SELECT r.ord, ro.version, d.position, d.event_id, e.json, b.event_id, b.json
FROM unnest($1::text[], $2::int[], $3::bigint[]) WITH ORDINALITY r(room_id, slot, at, ord)
JOIN room ro ON ro.room_id = r.room_id
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (d.type, d.state_key) d.position, d.event_id FROM state_delta d
    WHERE d.slot = r.slot AND d.room_id = r.room_id AND d.position <= r.at
      AND ($4::text[] IS NULL OR d.type = ANY($4) AND d.state_key = '' OR d.type = 'm.room.member' AND d.state_key = $5)
    ORDER BY d.type, d.state_key, d.position DESC) d
CROSS JOIN LATERAL (
    SELECT e.json, e.redacted_by FROM event e
    WHERE e.slot = r.slot AND e.room_id = r.room_id AND e.position = d.position LIMIT 1) e` + becauseOfState

// loadHistoriesAt reads rooms as they were at positions that P covers.
func loadHistoriesAt(ctx context.Context, pool *pgxpool.Pool, places []place, limit int) ([]*history, error) {
	states, err := loadStatesAt(ctx, pool, places, nil, "")
	if err != nil {
		return nil, err
	}
	reaches := make([]reach, len(places))
	for i, p := range places {
		reaches[i] = reach{room: p.room, upto: p.at, limit: limit}
	}
	runs, err := selectRuns(ctx, pool, reaches)
	if err != nil {
		return nil, err
	}
	return histories(states, runs, limit), nil
}

// loadStatesAt reads state as it was. With types, only these with the empty state key and the user's own membership.
func loadStatesAt(ctx context.Context, pool *pgxpool.Pool, places []place, types []string, user id.UserID) ([][]*entry, error) {
	names, slots, at := make([]string, len(places)), make([]int32, len(places)), make([]int64, len(places))
	for i, p := range places {
		names[i], slots[i], at[i] = string(p.room), int32(shard.Slot(p.room)), int64(p.at)
	}
	return selectStates(ctx, pool, len(places), selectStateAt, names, slots, at, types, string(user))
}

func selectStates(ctx context.Context, db querier, n int, sql string, args ...any) ([][]*entry, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	defer rows.Close()
	all := make([][]*entry, n)
	for rows.Next() {
		var ord int
		var version, eventID string
		var p position.Position
		var raw, becauseRaw []byte
		var because *string
		if err := rows.Scan(&ord, &version, &p, &eventID, &raw, &because, &becauseRaw); err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		e, err := loadEntry(version, p, eventID, raw)
		if err != nil {
			return nil, err
		}
		if err := e.redactedBy(because, becauseRaw); err != nil {
			return nil, err
		}
		all[ord-1] = append(all[ord-1], e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	return all, nil
}

func histories(states [][]*entry, runs []stretch, limit int) []*history {
	all := make([]*history, len(runs))
	for i, r := range runs {
		if len(r.events) > 0 {
			all[i] = newHistory(r.version, states[i], r.events, len(r.events) < limit)
		}
	}
	return all
}

const selectMemberships = `SELECT room_id, membership, position FROM room_membership WHERE user_id = $1`

// loadMemberships reads the rooms of a user.
func loadMemberships(ctx context.Context, pool *pgxpool.Pool, user id.UserID) (map[id.RoomID]membership, error) {
	rows, err := pool.Query(ctx, selectMemberships, string(user))
	if err != nil {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	defer rows.Close()
	all := map[id.RoomID]membership{}
	for rows.Next() {
		var room string
		var m membership
		if err := rows.Scan(&room, &m.membership, &m.position); err != nil {
			return nil, fmt.Errorf("read memberships: %w", err)
		}
		all[id.RoomID(room)] = m
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	return all, nil
}

const selectShardMemberships = `
SELECT user_id, room_id, membership, position FROM room_membership WHERE user_shard = $1 AND position > $2`

type shardMembership struct {
	user id.UserID
	room id.RoomID
	membership
}

// loadShardMemberships reads what changed for the users of a user shard.
func loadShardMemberships(ctx context.Context, pool *pgxpool.Pool, userShard int, after position.Position) ([]shardMembership, error) {
	rows, err := pool.Query(ctx, selectShardMemberships, userShard, int64(after))
	if err != nil {
		return nil, fmt.Errorf("read changed memberships: %w", err)
	}
	defer rows.Close()
	var all []shardMembership
	for rows.Next() {
		var m shardMembership
		if err := rows.Scan((*string)(&m.user), (*string)(&m.room), &m.membership.membership, &m.position); err != nil {
			return nil, fmt.Errorf("read changed memberships: %w", err)
		}
		all = append(all, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read changed memberships: %w", err)
	}
	return all, nil
}

const selectPast = `
SELECT r.ord, d.position, e.json
FROM unnest($1::text[], $2::int[]) WITH ORDINALITY r(room_id, slot, ord)
CROSS JOIN LATERAL (
    (SELECT d.position FROM state_delta d
     WHERE d.slot = r.slot AND d.room_id = r.room_id AND d.type = 'm.room.member' AND d.state_key = $3 AND d.position <= $4
     ORDER BY d.position DESC LIMIT 1)
    UNION ALL
    (SELECT d.position FROM state_delta d
     WHERE d.slot = r.slot AND d.room_id = r.room_id AND d.type = 'm.room.member' AND d.state_key = $3
       AND d.position > $4 AND d.position <= $5)) d
CROSS JOIN LATERAL (
    SELECT e.json FROM event e WHERE e.slot = r.slot AND e.room_id = r.room_id AND e.position = d.position LIMIT 1) e
ORDER BY r.ord, d.position`

// A past is what a user was in a room at a position, and whether the user was joined from there until the last change.
type past struct {
	membership string // "leave" if there was none
	known      bool   // there was a membership
	away       bool   // not joined then, or not all the time until the last change
}

// loadPasts reads how a user stood in rooms at a position, and between it and p.
func loadPasts(ctx context.Context, pool *pgxpool.Pool, user id.UserID, rooms []id.RoomID, since, p position.Position) ([]past, error) {
	all := make([]past, len(rooms))
	for i := range all {
		all[i] = past{membership: "leave", away: true}
	}
	if len(rooms) == 0 {
		return all, nil
	}
	names, slots := make([]string, len(rooms)), make([]int32, len(rooms))
	for i, r := range rooms {
		names[i], slots[i] = string(r), int32(shard.Slot(r))
	}
	rows, err := pool.Query(ctx, selectPast, names, slots, string(user), int64(since), int64(p))
	if err != nil {
		return nil, fmt.Errorf("read past memberships: %w", err)
	}
	defer rows.Close()
	last := make([]string, len(rooms))
	for rows.Next() {
		var ord int
		var at position.Position
		var raw []byte
		if err := rows.Scan(&ord, &at, &raw); err != nil {
			return nil, fmt.Errorf("read past memberships: %w", err)
		}
		m := contentMembership(raw)
		x := &all[ord-1]
		if at <= since {
			x.membership, x.known, x.away = m, true, m != "join"
		} else if before := last[ord-1]; before != "" && before != "join" {
			x.away = true
		}
		last[ord-1] = m
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read past memberships: %w", err)
	}
	return all, nil
}

const selectChanged = `
SELECT r.ord FROM unnest($1::text[], $2::int[]) WITH ORDINALITY r(room_id, slot, ord)
WHERE EXISTS (SELECT FROM event e WHERE e.slot = r.slot AND e.room_id = r.room_id AND e.position > $3 AND e.position <= $4)`

// loadChanged returns which of the rooms have events in (after, upto].
func loadChanged(ctx context.Context, pool *pgxpool.Pool, rooms []id.RoomID, after, upto position.Position) ([]id.RoomID, error) {
	names, slots := make([]string, len(rooms)), make([]int32, len(rooms))
	for i, r := range rooms {
		names[i], slots[i] = string(r), int32(shard.Slot(r))
	}
	rows, err := pool.Query(ctx, selectChanged, names, slots, int64(after), int64(upto))
	if err != nil {
		return nil, fmt.Errorf("read changed rooms: %w", err)
	}
	ords, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, fmt.Errorf("read changed rooms: %w", err)
	}
	changed := make([]id.RoomID, len(ords))
	for i, ord := range ords {
		changed[i] = rooms[ord-1]
	}
	return changed, nil
}

const selectFilter = `SELECT json FROM filter WHERE user_id = $1 AND filter_id = $2`

func contentMembership(raw []byte) string {
	value, _ := canonicaljson.Get(raw, "content", "membership")
	m, _ := canonicaljson.String(value)
	return m
}
