// Package storetest writes rooms into the tables of a test database, as their owner would: for tests of what reads
// them. It checks no permissions.
package storetest

import (
	"crypto/rand"
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/keyring"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// A Room is one in the tables.
type Room struct {
	ID id.RoomID

	t     testing.TB
	db    *pgxpool.Pool
	key   *keyring.Key
	depth int64
	prev  []id.EventID
}

// A Sent is an event in the tables.
type Sent struct {
	*event.Event
	Position position.Position
}

// NewRoom writes a room: create event, and the creator's join.
func NewRoom(t testing.TB, db *pgxpool.Pool, creator id.UserID) *Room {
	t.Helper()
	key, err := keyring.Generate(creator.ServerName())
	require.NoError(t, err)
	r := &Room{t: t, db: db, key: key}
	r.State(creator, "m.room.create", "", map[string]any{
		"room_version": event.DefaultVersion.ID, "nonce": rand.Text(), // two rooms of one millisecond are not the same room
	})
	r.Member(creator, creator, "join")
	return r
}

// Member sets a user's membership.
func (r *Room) Member(sender, target id.UserID, membership string) Sent {
	r.t.Helper()
	return r.State(sender, "m.room.member", string(target), map[string]any{"membership": membership})
}

// Text sends a message.
func (r *Room) Text(sender id.UserID, body string) Sent {
	r.t.Helper()
	return r.Send(sender, "m.room.message", map[string]any{"msgtype": "m.text", "body": body})
}

// Send sends an event that is not of state.
func (r *Room) Send(sender id.UserID, evType string, content any) Sent {
	r.t.Helper()
	return r.write(sender, evType, nil, content)
}

// State sends a state event.
func (r *Room) State(sender id.UserID, evType, key string, content any) Sent {
	r.t.Helper()
	return r.write(sender, evType, &key, content)
}

func (r *Room) write(sender id.UserID, evType string, key *string, content any) Sent {
	r.t.Helper()
	ctx := r.t.Context()
	raw, err := json.Marshal(content)
	require.NoError(r.t, err)
	r.depth++
	ev, err := event.Build(event.DefaultVersion, event.Proto{
		RoomID: r.ID, Sender: sender, Type: evType, StateKey: key, Content: raw, PrevEvents: r.prev, Depth: r.depth,
		OriginServerTS: 1700000000000 + r.depth,
	}, r.key)
	require.NoError(r.t, err)
	r.prev = []id.EventID{ev.ID()}
	r.ID = ev.RoomID()
	slot := shard.Slot(r.ID)
	var at position.Position

	require.NoError(r.t, pgx.BeginFunc(ctx, r.db, func(tx pgx.Tx) error {
		var block int64
		if err := tx.QueryRow(ctx, `
SELECT block_begin(0, 'room', '{}', '{}', (SELECT generation FROM cluster_state), ARRAY[$1::text], '{}', '{}')`,
			r.ID).Scan(&block); err != nil {
			return err
		}
		at = position.New(block, 0)
		var b pgx.Batch
		if ev.IsCreate() {
			b.Queue(`INSERT INTO room VALUES ($1, $2, $3, $4, $5)`, r.ID, slot, event.DefaultVersion.ID, sender, at)
		}
		b.Queue(`
INSERT INTO event (slot, room_id, position, event_id, type, state_key, sender, depth, shard_id, owner, epoch, json)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, $9)`, slot, r.ID, at, ev.ID(), evType, key, sender, r.depth, ev.JSON())
		if key != nil {
			b.Queue(`INSERT INTO state_delta VALUES ($1, $2, $3, $4, $5, $6)`, slot, r.ID, evType, *key, at, ev.ID())
			b.Queue(`
INSERT INTO current_state VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (room_id, type, state_key) DO UPDATE SET position = excluded.position, event_id = excluded.event_id`,
				r.ID, evType, *key, at, ev.ID())
		}
		if m := ev.Membership(); m != "" {
			b.Queue(`
INSERT INTO room_membership VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (user_id, room_id) DO UPDATE
SET membership = excluded.membership, position = excluded.position, event_id = excluded.event_id`,
				*key, r.ID, shard.UserShard(id.UserID(*key)), m, at, ev.ID())
		}
		return tx.SendBatch(ctx, &b).Close()
	}))
	return Sent{Event: ev, Position: at}
}

// Device writes an account with one device. It can log in with no password.
func Device(t testing.TB, db *pgxpool.Pool, user id.UserID, device id.DeviceID) {
	t.Helper()
	_, err := db.Exec(t.Context(), `INSERT INTO account (user_id, password_hash) VALUES ($1, '') ON CONFLICT DO NOTHING`, user)
	require.NoError(t, err)
	_, err = db.Exec(t.Context(), `INSERT INTO device (user_id, device_id, display_name) VALUES ($1, $2, 'a device')`, user, device)
	require.NoError(t, err)
}
