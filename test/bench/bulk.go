package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// A bulk loads rooms into the tables as they would be after years, by COPY, while no worker runs. Its signatures are made
// up: nobody verifies what is stored.
type bulk struct {
	db    *pgx.Conn
	block int64 // the last that is taken
	i     int64 // places taken in it
	rooms int   // so far

	events, deltas, state, members, made [][]any
}

// batchRooms is how many events are written at a time.
const batchEvents = 20_000

// unsigned signs nothing, in no time.
type unsigned struct{ signature []byte }

func (unsigned) ServerName() id.ServerName { return serverName }
func (unsigned) KeyID() string             { return "ed25519:b" }
func (u unsigned) Sign([]byte) []byte      { return u.signature }

var nobody = unsigned{make([]byte, 64)}

func newBulk(ctx context.Context, uri string) (*bulk, error) {
	db, err := pgx.Connect(ctx, uri)
	if err != nil {
		return nil, err
	}
	b := &bulk{db: db}
	return b, b.resume(ctx)
}

// resume takes up where the stream is, for workers may have written since.
func (b *bulk) resume(ctx context.Context) error {
	b.i = 0
	return b.db.QueryRow(ctx, "SELECT last_value + 1 FROM stream_seq").Scan(&b.block)
}

// user is the id of the user of this number.
func user(n int) string { return fmt.Sprintf("@bulk-%d:%s", n, serverName) }

// token is the access token of the user of this number.
func token(n int) string { return fmt.Sprintf("a-token-of-the-bench-of-user-%d", n) }

// accounts makes the accounts of users from a number on.
func (b *bulk) accounts(ctx context.Context, from, n int) error {
	var accounts, devices, tokens [][]any
	for i := from; i < from+n; i++ {
		hash := sha256.Sum256([]byte(token(i)))
		accounts = append(accounts, []any{user(i), ""})
		devices = append(devices, []any{user(i), "DEVICE"})
		tokens = append(tokens, []any{hash[:], user(i), "DEVICE"})
	}
	return firstError(
		b.copy(ctx, "account", accounts, "user_id", "password_hash"),
		b.copy(ctx, "device", devices, "user_id", "device_id"),
		b.copy(ctx, "access_token", tokens, "token_hash", "user_id", "device_id"))
}

func (b *bulk) copy(ctx context.Context, table string, rows [][]any, columns ...string) error {
	_, err := b.db.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
	if err != nil {
		return fmt.Errorf("copy into %s: %w", table, err)
	}
	return nil
}

// room makes a room of users, the first its creator, with so many messages, and returns its id.
func (b *bulk) room(ctx context.Context, members []int, messages int) (string, error) {
	b.rooms++
	w := &writer{bulk: b, creator: id.UserID(user(members[0]))}
	w.state("m.room.create", "", w.creator, map[string]any{"room_version": event.DefaultVersion.ID, "nonce": b.rooms})
	w.state("m.room.member", string(w.creator), w.creator, map[string]any{"membership": "join"})
	w.state("m.room.power_levels", "", w.creator, map[string]any{"users_default": 0, "events_default": 0, "state_default": 50})
	w.state("m.room.join_rules", "", w.creator, map[string]any{"join_rule": "public"})
	for _, n := range members[1:] {
		w.state("m.room.member", user(n), id.UserID(user(n)), map[string]any{"membership": "join"})
	}
	for i := range messages {
		w.write("m.room.message", nil, id.UserID(user(members[i%len(members)])), map[string]any{"msgtype": "m.text", "body": fmt.Sprint("a message of long ago, number ", i)})
		if w.err == nil && len(b.events) >= batchEvents {
			w.err = b.flush(ctx)
		}
	}
	if w.err == nil && len(b.events) >= batchEvents {
		w.err = b.flush(ctx)
	}
	return string(w.id), w.err
}

// A writer is one room under way.
type writer struct {
	bulk    *bulk
	creator id.UserID
	id      id.RoomID
	depth   int64
	prev    []id.EventID
	err     error
}

func (w *writer) state(kind, key string, sender id.UserID, content any) {
	w.write(kind, &key, sender, content)
}

func (w *writer) write(kind string, key *string, sender id.UserID, content any) {
	if w.err != nil {
		return
	}
	raw, err := json.Marshal(content)
	if err != nil {
		w.err = err
		return
	}
	w.depth++
	ev, err := event.Build(event.DefaultVersion, event.Proto{
		RoomID: w.id, Sender: sender, Type: kind, StateKey: key, Content: raw, PrevEvents: w.prev, Depth: w.depth, OriginServerTS: 1_700_000_000_000 + w.depth,
	}, nobody)
	if err != nil {
		w.err = fmt.Errorf("build a %s: %w", kind, err)
		return
	}
	w.id, w.prev = ev.RoomID(), []id.EventID{ev.ID()}
	w.bulk.add(ev, key)
}

// add takes an event's rows.
func (b *bulk) add(ev *event.Event, key *string) {
	if b.i == 200 {
		b.block, b.i = b.block+1, 0
	}
	at := b.block<<10 | b.i
	b.i++
	room, slot, eventID := string(ev.RoomID()), int32(shard.Slot(ev.RoomID())), string(ev.ID())
	b.events = append(b.events, []any{slot, room, at, eventID, ev.Type(), key, string(ev.Sender()), ev.Depth(), int32(0), int64(0), int64(0), ev.JSON()})
	if ev.IsCreate() {
		b.made = append(b.made, []any{room, slot, event.DefaultVersion.ID, string(ev.Sender()), at})
	}
	if key == nil {
		return
	}
	b.deltas = append(b.deltas, []any{slot, room, ev.Type(), *key, at, eventID})
	b.state = append(b.state, []any{room, ev.Type(), *key, at, eventID})
	if ev.Type() == "m.room.member" {
		b.members = append(b.members, []any{*key, room, int16(shard.UserShard(id.UserID(*key))), ev.Membership(), at, eventID})
	}
}

// flush writes what was taken, and moves the stream beyond it.
func (b *bulk) flush(ctx context.Context) error {
	err := firstError(
		b.copy(ctx, "room", b.made, "room_id", "slot", "version", "creator", "created"),
		b.copy(ctx, "event", b.events, "slot", "room_id", "position", "event_id", "type", "state_key", "sender", "depth", "shard_id", "owner", "epoch", "json"),
		b.copy(ctx, "state_delta", b.deltas, "slot", "room_id", "type", "state_key", "position", "event_id"),
		b.copy(ctx, "current_state", b.state, "room_id", "type", "state_key", "position", "event_id"),
		b.copy(ctx, "room_membership", b.members, "user_id", "room_id", "user_shard", "membership", "position", "event_id"))
	b.events, b.deltas, b.state, b.members, b.made = nil, nil, nil, nil, nil
	if err != nil {
		return err
	}
	b.block, b.i = b.block+1, 0
	_, err = b.db.Exec(ctx, "SELECT setval('stream_seq', $1)", b.block)
	return err
}

// finish writes the rest, lets the horizon pass it, and leaves Postgres nothing to do later.
func (b *bulk) finish(ctx context.Context) error {
	if err := b.flush(ctx); err != nil {
		return err
	}
	for _, sql := range []string{
		"SELECT block_begin(0, 'room', '{}', '{}', (SELECT generation FROM cluster_state), '{}', '{}', '{}')", "VACUUM ANALYZE", "CHECKPOINT",
	} {
		if _, err := b.db.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return b.resume(ctx)
}

func (b *bulk) close(ctx context.Context) { _ = b.db.Close(context.WithoutCancel(ctx)) }

// span are the numbers from one on.
func span(from, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = from + i
	}
	return all
}
