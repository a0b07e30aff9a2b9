package persister

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/postgres"
)

func TestManyRoomsAtOnceKeepTheirOrder(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	rooms := p.rooms(t, 20)
	const perRoom = 25
	order := make([][]string, len(rooms))
	var done sync.WaitGroup
	for i, room := range rooms {
		done.Go(func() {
			for n := range perRoom {
				order[i] = append(order[i], p.send(t, room, alice, fmt.Sprint("t", n)).text("event_id"))
			}
		})
		// Others write the same room meanwhile.
		done.Go(func() {
			for n := range perRoom {
				if got := p.send(t, room, alice, fmt.Sprint("u", n)); got.status != 200 {
					t.Errorf("%d: %v", got.status, got.body)
				}
			}
		})
	}
	done.Wait()
	for i, room := range rooms {
		require.Equal(t, order[i], p.db.rows(t, "SELECT event_id FROM event WHERE room_id = $1 AND txn_id LIKE 't%' ORDER BY position", string(room)))
	}
	require.Equal(t, len(rooms)*2*perRoom, p.db.count(t, "SELECT count(*) FROM event WHERE type = 'm.room.message'"))
	// In every room each event follows the one at the position before it.
	require.Zero(t, p.db.count(t, `SELECT count(*) FROM (
		SELECT convert_from(json, 'UTF8')::jsonb -> 'prev_events' ->> 0 AS prev, depth,
			lag(event_id) OVER w AS before, lag(depth) OVER w AS depth_before, lag(position) OVER w AS at
		FROM event WINDOW w AS (PARTITION BY room_id ORDER BY position)) c
		WHERE at IS NOT NULL AND (prev IS DISTINCT FROM before OR depth <> depth_before + 1)`))
	// I1: what an event carries is what the lease row says.
	require.Zero(t, p.db.count(t, `SELECT count(*) FROM event e LEFT JOIN shard_lease l ON l.space = 'room' AND l.shard_id = e.shard_id
		AND l.owner = e.owner AND l.epoch = e.epoch WHERE l.shard_id IS NULL`))
}

// The claim of the design: one batched transaction for many messages, no reads.
func TestTwoHundredSendsAreOneTransactionOfFewStatements(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	counter, uri := newProxy(t, db.uri)
	p := db.start(t, db.join(t), func(o *Options) { o.Source, o.Lanes = postgres.At(uri), 1 })
	rooms := p.rooms(t, 20)

	release := db.block(t)
	var done sync.WaitGroup
	done.Go(func() { p.send(t, rooms[0], alice, "first") })
	db.awaitBlocked(t)
	counter.reset()
	for i := range 200 {
		done.Go(func() {
			if got := p.send(t, rooms[i%len(rooms)], alice, fmt.Sprint("t", i)); got.status != 200 {
				t.Errorf("%d: %v", got.status, got.body)
			}
		})
	}
	awaitWaiting(t, p.lanes[0], 201)
	release()
	done.Wait()
	statements, transactions := counter.counts()
	require.LessOrEqual(t, statements, 12)
	require.Equal(t, 1, transactions)
	require.Equal(t, 1, db.count(t, "SELECT count(DISTINCT position >> 10) FROM event WHERE txn_id LIKE 't%'"))
}

// reads counts the statements of a pool, but for the rotation of the deduplication keys, which comes at its own time.
type reads struct{ n atomic.Int64 }

func (r *reads) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if !strings.Contains(data.SQL, "request_dedupe_rotate") {
		r.n.Add(1)
	}
	return ctx
}

func (r *reads) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (r *reads) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (r *reads) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) { r.n.Add(1) }

func (r *reads) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func TestWarmRoomIsNotRead(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	var reads reads
	config := db.pool.Config()
	config.ConnConfig.Tracer = &reads
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	p := db.start(t, db.join(t), func(o *Options) { o.Pool = pool })
	room := p.newRoom(t)
	require.Equal(t, 200, p.send(t, room, alice, "warm").status)
	before := reads.n.Load()
	for n := range 10 {
		require.Equal(t, 200, p.send(t, room, alice, fmt.Sprint(n)).status)
	}
	require.Equal(t, before, reads.n.Load(), "a warm room is in memory")

	fresh := db.start(t, db.join(t), func(o *Options) { o.Pool = pool })
	require.Equal(t, 200, fresh.send(t, room, alice, "cold").status)
	require.Greater(t, reads.n.Load(), before, "a cold one is read, and that is counted")
}

// A NUL byte is fine in JSON and in Matrix, and no text in Postgres.
func TestPoisonEventFailsAlone(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	p := db.start(t, db.join(t), func(o *Options) { o.Lanes = 1 })
	rooms := p.rooms(t, 5)
	release := db.block(t)
	var done sync.WaitGroup
	done.Go(func() { p.send(t, rooms[0], alice, "first") })
	db.awaitBlocked(t)
	// What clients send is refused before it comes here; a whole room is sent by a worker that should have.
	poison := newRoomRequest(t, -1, InitialEvent{"m.\x00", "", json.RawMessage("{}")})
	for i := range 100 {
		done.Go(func() {
			var got reply
			want := 200
			if i == 37 {
				got, want = p.call(t.Context(), alice, nextRequest(), "POST", CreateRoomPath, poison), 400
			} else {
				got = p.put(t, alice, "/rooms/"+string(rooms[i%len(rooms)])+"/send/m.room.message/"+fmt.Sprint("t", i), "{}")
			}
			if got.status != want {
				t.Errorf("%d: %d %v", i, got.status, got.body)
			}
		})
	}
	awaitWaiting(t, p.lanes[0], 101)
	release()
	done.Wait()
	require.Equal(t, 99, db.count(t, "SELECT count(*) FROM event WHERE txn_id LIKE 't%'"))
	require.Equal(t, len(rooms), db.count(t, "SELECT count(*) FROM room"), "nothing of the poisoned one")
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	s := p.leases.ShardOf(room)
	require.NoError(t, p.Quiesce(t.Context(), s))
	var done sync.WaitGroup
	for i := range maxQueuedWrites {
		done.Go(func() { p.send(t, room, alice, fmt.Sprint("t", i)) })
	}
	awaitWaiting(t, p.lane(s), maxQueuedWrites)
	got := p.send(t, room, alice, "more")
	require.Equal(t, 429, got.status)
	require.Equal(t, "M_LIMIT_EXCEEDED", got.text("errcode"))
	require.NotZero(t, got.body["retry_after_ms"])
	require.Positive(t, p.Lag().Oldest)
	p.Granted(s, 1)
	done.Wait()
	require.Zero(t, p.Lag().Oldest)
	require.Equal(t, maxQueuedWrites, messages(t, p.db, room))
}

func TestEvictedRoomsAreReadAgain(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	p := db.start(t, db.join(t), func(o *Options) { o.Lanes, o.CacheRooms = 1, 2 })
	rooms := p.rooms(t, 6)
	for n := range 3 {
		for _, room := range rooms {
			got := p.send(t, room, alice, fmt.Sprint(n))
			require.Equal(t, 200, got.status, got.body)
		}
	}
	for _, room := range rooms {
		require.Equal(t, 3, messages(t, db, room))
	}
}

// A reader that hears of an event finds it in the database.
func TestPublishOnlyAfterCommit(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	published, there := make(chan bus.RoomBlock, 100), make(chan int, 100)
	p := db.start(t, db.join(t), func(o *Options) {
		r := o.Publisher.(*recorder)
		r.seen = func(b bus.RoomBlock) {
			var n int
			_ = db.pool.QueryRow(context.WithoutCancel(t.Context()), "SELECT count(*) FROM event WHERE event_id = $1", b.Events[0].EventID).Scan(&n)
			there <- n
			published <- b
		}
	})
	room := p.newRoom(t)
	<-published
	require.Equal(t, 1, <-there)
	release := db.block(t)
	replies := make(chan reply, 1)
	go func() { replies <- p.send(t, room, alice, "one") }()
	db.awaitBlocked(t)
	require.Empty(t, published)
	release()
	require.Equal(t, 200, (<-replies).status)
	b := <-published
	require.Equal(t, 1, <-there, "published before it was committed")
	require.Equal(t, string(room), b.RoomID)
	require.Equal(t, []string{b.Events[0].EventID},
		db.rows(t, "SELECT event_id FROM event WHERE position = $1", b.Events[0].Position))
	require.Equal(t, "one", b.Events[0].TxnID)

	// And what is never committed is never published.
	p.leases.believe()
	db.exec(t, "UPDATE shard_lease SET epoch = epoch + 2")
	require.Equal(t, 421, p.send(t, room, alice, "two").status)
	require.NoError(t, p.stop())
	require.Empty(t, published)
}

func TestMembershipsAreAddressedToTheirUsers(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	require.Equal(t, 200, p.post(t, alice, "/rooms/"+string(room)+"/invite", map[string]any{"user_id": bob}).status)
	<-p.bus.pokes
	<-p.bus.pokes
	p.bus.mu.Lock()
	defer p.bus.mu.Unlock()
	last := p.bus.users[len(p.bus.users)-1].Items
	require.Len(t, last, 1)
	require.Equal(t, string(bob), last[0].UserID)
	require.Equal(t, "invite", last[0].Membership)
	require.Equal(t, []string{"{" + fmt.Sprint(p.bus.users[len(p.bus.users)-1].UserShard) + "}"},
		p.db.rows(t, "SELECT user_shards::text FROM stream_block WHERE block = $1", p.bus.users[len(p.bus.users)-1].Block))
}
