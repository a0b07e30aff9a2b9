package persister

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A reader reads what was committed, set-wise: the number of queries does not grow with the number of rooms or keys.
type reader struct {
	pool   *pgxpool.Pool
	leases Leases
}

// send reads a batch from the present generation: the pool's address, or a pooler, may lead to a former primary still.
func (r reader) send(ctx context.Context, batch *pgx.Batch) error {
	batch.Queue(sqlGeneration).QueryRow(func(row pgx.Row) error {
		var generation int64
		err := row.Scan(&generation)
		if err == nil && generation < r.leases.Generation() {
			err = errFormer
		}
		return err
	})
	return r.pool.SendBatch(ctx, batch).Close()
}

// load is pipeline.load. It needs no snapshot: nobody else writes these rooms while the lease holds, and if it does not
// hold, nothing that is built on them is written.
func (r reader) load(ctx context.Context, wants []want) (loaded, error) {
	got := loaded{rooms: make(map[id.RoomID]*snapshot, len(wants)), keys: make(map[dedupeKey]id.EventID)}
	var cold, copied []want
	var keys []dedupeKey
	for _, w := range wants {
		keys = append(keys, w.keys...)
		if w.copy != nil {
			copied = append(copied, w)
		} else {
			cold = append(cold, w)
		}
	}
	since := make(map[id.RoomID][]entryAt, len(copied))
	batch := &pgx.Batch{}
	if len(copied) > 0 {
		queueSince(batch, copied, since)
	}
	got.queueCold(batch, cold)
	if len(keys) > 0 {
		queueRepeated(batch, keys, got.keys)
	}
	if err := r.send(ctx, batch); err != nil {
		return loaded{}, fmt.Errorf("load %d rooms: %w", len(wants), err)
	}
	var useless []want
	for _, w := range copied {
		if s := w.copy.catchUp(since[w.room.id]); s != nil {
			got.rooms[w.room.id] = s
		} else {
			useless = append(useless, w)
		}
	}
	if len(useless) == 0 {
		return got, nil
	}
	batch = &pgx.Batch{}
	got.queueCold(batch, useless)
	if err := r.send(ctx, batch); err != nil {
		return loaded{}, fmt.Errorf("load %d rooms: %w", len(useless), err)
	}
	return got, nil
}

// queueCold reads rooms of which nothing is known.
func (got loaded) queueCold(batch *pgx.Batch, wants []want) {
	if len(wants) == 0 {
		return
	}
	ids, slots := make([]string, 0, len(wants)), make([]int32, 0, len(wants))
	for _, w := range wants {
		ids = append(ids, string(w.room.id))
		slots = append(slots, int32(w.room.slot))
	}
	batch.Queue(sqlLoadRooms, ids, slots).Query(got.readRooms)
	batch.Queue(sqlLoadState, ids, slots).Query(got.readState)
}

// repeated is pipeline.repeated.
func (r reader) repeated(ctx context.Context, keys []dedupeKey) (map[dedupeKey]id.EventID, error) {
	found := make(map[dedupeKey]id.EventID)
	batch := &pgx.Batch{}
	queueRepeated(batch, keys, found)
	if err := r.send(ctx, batch); err != nil {
		return nil, fmt.Errorf("look up %d deduplication keys: %w", len(keys), err)
	}
	return found, nil
}

func queueRepeated(batch *pgx.Batch, keys []dedupeKey, found map[dedupeKey]id.EventID) {
	var c keyColumns
	for _, k := range keys {
		c.add(k, "")
	}
	batch.Queue(sqlRepeated, c.user, c.device, c.path, c.txn).Query(func(rows pgx.Rows) error {
		var i int
		var eventID string
		_, err := pgx.ForEachRow(rows, []any{&i, &eventID}, func() error {
			found[keys[i-1]] = id.EventID(eventID)
			return nil
		})
		return err
	})
}

func (got loaded) readRooms(rows pgx.Rows) error {
	var roomID, version, eventID string
	var at int64
	var raw []byte
	_, err := pgx.ForEachRow(rows, []any{&roomID, &version, &at, &eventID, &raw}, func() error {
		s := &snapshot{room: id.RoomID(roomID), at: at}
		got.rooms[id.RoomID(roomID)] = s
		var ok bool
		if s.version, ok = event.LookupVersion(version); !ok {
			s.err = fmt.Errorf("room version %q is not known to this build", version)
			return nil
		}
		var ev *event.Event
		if ev, s.err = event.Load(s.version, id.EventID(eventID), raw); s.err == nil {
			s.heads = []head{headOf(ev)}
		}
		return nil
	})
	return err
}

func (got loaded) readState(rows pgx.Rows) error {
	var roomID, eventID string
	var raw []byte
	_, err := pgx.ForEachRow(rows, []any{&roomID, &eventID, &raw}, func() error {
		s := got.rooms[id.RoomID(roomID)]
		if s == nil || s.err != nil {
			return nil // the room's row is written with its first state
		}
		ev, err := event.Load(s.version, id.EventID(eventID), raw)
		if err != nil {
			s.err = err
			return nil
		}
		s.state = append(s.state, factOf(s.room, ev))
		return nil
	})
	return err
}

func queueSince(batch *pgx.Batch, wants []want, since map[id.RoomID][]entryAt) {
	var ids []string
	var slots []int32
	var from []int64
	for _, w := range wants {
		ids = append(ids, string(w.room.id))
		slots = append(slots, int32(w.room.slot))
		from = append(from, w.copy.position)
	}
	batch.Queue(sqlSince, ids, slots, from, maxCatchUp+1).Query(func(rows pgx.Rows) error {
		var roomID string
		var row entryAt
		_, err := pgx.ForEachRow(rows, []any{&roomID, &row.position, &row.event, &row.raw}, func() error {
			row.raw = append([]byte(nil), row.raw...)
			since[id.RoomID(roomID)] = append(since[id.RoomID(roomID)], row)
			return nil
		})
		return err
	})
}

// A profile is what member events say of a user.
type profile struct{ displayName, avatarURL *string }

// profile reads a user's profile, and whether there is such a user.
func (r reader) profile(ctx context.Context, user id.UserID) (p profile, exists bool, err error) {
	err = r.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM account WHERE user_id = $1 AND NOT deactivated), p.displayname, p.avatar_url
		FROM (VALUES ($1)) AS u(user_id) LEFT JOIN profile p ON p.user_id = u.user_id`, string(user)).
		Scan(&exists, &p.displayName, &p.avatarURL)
	if err != nil {
		return p, false, fmt.Errorf("read a profile: %w", err)
	}
	return p, exists, nil
}

// joinedAny reports whether the user has joined one of the rooms.
func (r reader) joinedAny(ctx context.Context, user id.UserID, rooms []string) (joined bool, err error) {
	err = r.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM room_membership
		WHERE user_id = $1 AND room_id = ANY ($2) AND membership = 'join')`, string(user), rooms).Scan(&joined)
	if err != nil {
		return false, fmt.Errorf("read memberships: %w", err)
	}
	return joined, nil
}
