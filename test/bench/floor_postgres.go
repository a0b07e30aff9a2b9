package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/keyring"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// A form is a way to write many rows.
type form struct {
	name        string
	batch       int // events a transaction
	connections int
	write       func(context.Context, pgx.Tx, *rows) error
}

// forms are those that may be the best; a run tries each and keeps that.
var forms = []form{
	{"unnest, 200 a transaction, 4 connections", 200, 4, unnest},
	{"unnest, 1000 a transaction, 4 connections", 1000, 4, unnest},
	{"COPY, 200 a transaction, 4 connections", 200, 4, copyRows},
	{"COPY, 1000 a transaction, 2 connections", 1000, 2, copyRows},
	{"COPY, 1000 a transaction, 4 connections", 1000, 4, copyRows},
}

// rows are what a block of messages leaves in the tables, but for leases: event, request_dedupe and one of stream_block.
type rows struct {
	block  int64
	events [][]any
	keys   [][]any
	rooms  []string
}

var eventColumns = []string{"slot", "room_id", "position", "event_id", "type", "sender", "depth", "shard_id", "owner", "epoch", "device_id", "txn_id", "json"}

var keyColumns = []string{"day", "user_id", "device_id", "path_hash", "txn_id", "event_id"}

// A source makes rows like those of messages in 64 rooms, as fast as it can.
type source struct {
	rooms []string
	json  []byte
	day   int32
	next  atomic.Int64
}

func newSource(ctx context.Context, db *pgx.Conn) (*source, error) {
	s := &source{}
	if _, err := db.Exec(ctx, "SELECT request_dedupe_rotate()"); err != nil {
		return nil, err
	}
	if err := db.QueryRow(ctx, "SELECT request_dedupe_day()").Scan(&s.day); err != nil {
		return nil, err
	}
	ev, err := message()
	if err != nil {
		return nil, err
	}
	s.json = ev.JSON()
	for i := range 64 {
		s.rooms = append(s.rooms, "!"+hash(int64(i)))
	}
	return s, nil
}

const sender = id.UserID("@bench-0:" + serverName)

// message is an event like those that the load generator sends.
func message() (*event.Event, error) {
	key, err := keyring.Generate(serverName)
	if err != nil {
		return nil, err
	}
	content, err := json.Marshal(map[string]string{"msgtype": "m.text", "body": strings.Repeat("x", 200)})
	if err != nil {
		return nil, err
	}
	other := id.EventID("$" + hash(0))
	return event.Build(event.DefaultVersion, event.Proto{
		RoomID: id.RoomID("!" + hash(0)), Sender: sender, Type: "m.room.message", Content: content,
		PrevEvents: []id.EventID{other}, AuthEvents: []id.EventID{other, other}, Depth: 1000, OriginServerTS: time.Now().UnixMilli(),
	}, key)
}

// hash looks like the hash in an event's id.
func hash(n int64) string {
	h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func (s *source) take(n int) *rows {
	last := s.next.Add(int64(n))
	r := &rows{block: last, rooms: s.rooms}
	path := sha256.Sum256([]byte("PUT"))
	for i := range n {
		number := last - int64(n) + int64(i)
		room := s.rooms[number%int64(len(s.rooms))]
		slot := shard.Slot(id.RoomID(room))
		event, txn := "$"+hash(number), fmt.Sprint("bench-1/", number)
		r.events = append(r.events, []any{int32(slot), room, last<<10 | int64(i), event, "m.room.message", string(sender), int64(1000),
			int32(slot / 64), int64(1), int64(1), "DEVICEOFBENCH", txn, s.json})
		r.keys = append(r.keys, []any{s.day, string(sender), "DEVICEOFBENCH", path[:], txn, event})
	}
	return r
}

// copyRows writes by the protocol of COPY.
func copyRows(ctx context.Context, tx pgx.Tx, r *rows) error {
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"event"}, eventColumns, pgx.CopyFromRows(r.events)); err != nil {
		return err
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"request_dedupe"}, keyColumns, pgx.CopyFromRows(r.keys))
	return err
}

// unnest writes by a statement a table, with an array a column.
func unnest(ctx context.Context, tx pgx.Tx, r *rows) error {
	var b pgx.Batch
	b.Queue(`INSERT INTO event (slot, room_id, position, event_id, type, sender, depth, shard_id, owner, epoch, device_id, txn_id, json)
		SELECT * FROM unnest($1::integer[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::integer[],
			$9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::bytea[])`,
		column[int32](r.events, 0), column[string](r.events, 1), column[int64](r.events, 2), column[string](r.events, 3),
		column[string](r.events, 4), column[string](r.events, 5), column[int64](r.events, 6), column[int32](r.events, 7),
		column[int64](r.events, 8), column[int64](r.events, 9), column[string](r.events, 10), column[string](r.events, 11), column[[]byte](r.events, 12))
	b.Queue(`INSERT INTO request_dedupe (day, user_id, device_id, path_hash, txn_id, event_id)
		SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[])`,
		column[int32](r.keys, 0), column[string](r.keys, 1), column[string](r.keys, 2), column[[]byte](r.keys, 3), column[string](r.keys, 4), column[string](r.keys, 5))
	return tx.SendBatch(ctx, &b).Close()
}

func column[T any](rows [][]any, i int) []T {
	all := make([]T, len(rows))
	for n, row := range rows {
		all[n] = row[i].(T)
	}
	return all
}

// postgresFloor is how many events a second a form writes to a fresh database, over so long.
func (r *rig) postgresFloor(ctx context.Context, f form, length time.Duration) (float64, error) {
	uri, drop, err := r.database(ctx, 0)
	if err != nil {
		return 0, err
	}
	defer drop()
	conns := make([]*pgx.Conn, f.connections)
	for i := range conns {
		if conns[i], err = pgx.Connect(ctx, uri); err != nil {
			return 0, err
		}
		defer conns[i].Close(context.WithoutCancel(ctx))
	}
	s, err := newSource(ctx, conns[0])
	if err != nil {
		return 0, err
	}
	var written atomic.Int64
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for _, conn := range conns {
		group.Go(func() error {
			for time.Since(began) < length && ctx.Err() == nil {
				block := s.take(f.batch)
				err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
					if _, err := tx.Exec(ctx, "INSERT INTO stream_block (block, shards, rooms, user_shards) VALUES ($1, '{1,2,3,4}', $2, '{}')", block.block, block.rooms); err != nil {
						return err
					}
					return f.write(ctx, tx, block)
				})
				if err != nil {
					return fmt.Errorf("write the floor's rows: %w", err)
				}
				written.Add(int64(f.batch))
			}
			return nil
		})
	}
	err = group.Wait()
	return float64(written.Load()) / time.Since(began).Seconds(), err
}

// bestForm tries the forms in turn.
func (r *rig) bestForm(ctx context.Context) (best form, err error) {
	most := 0.0
	for _, f := range pick(r, forms, forms[:1]) {
		rate, err := r.postgresFloor(ctx, f, pick(r, 2*time.Second, 100*time.Millisecond))
		if err != nil {
			return form{}, err
		}
		r.say("Postgres, %s: %.0f events/s", f.name, rate)
		if rate > most {
			best, most = f, rate
		}
	}
	return best, nil
}
