package persister

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
)

// stateReads counts how often the state of rooms is read whole.
type stateReads struct{ n atomic.Int64 }

func (r *stateReads) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (r *stateReads) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (r *stateReads) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (r *stateReads) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	if data.SQL == sqlLoadState {
		r.n.Add(1)
	}
}

func (r *stateReads) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// A succession is two workers, of which the second is to take over what the first has.
type succession struct {
	from, to *testPersister
	reads    *stateReads // of the second
}

func newSuccession(t *testing.T) *succession {
	t.Helper()
	s := &succession{reads: &stateReads{}}
	db := newDatabase(t)
	config := db.pool.Config()
	config.ConnConfig.Tracer = s.reads
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	next := db.join(t)
	s.from = db.start(t, db.join(t), func(o *Options) {
		o.SendCopies = func(_ context.Context, worker int64, body []byte) error {
			if worker == next.worker {
				s.deliver(t, string(body))
			}
			return nil
		}
	})
	require.NoError(t, next.Refresh(t.Context()))
	s.to = db.start(t, next, func(o *Options) { o.Pool = pool })
	return s
}

func (s *succession) deliver(t *testing.T, body string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", CopiesPath, strings.NewReader(body))
	s.to.handler.ServeHTTP(w, r.WithContext(internalauth.WithIdentity(r.Context(), internalauth.Identity{})))
	if w.Code != http.StatusNoContent {
		t.Errorf("copies were answered %d", w.Code)
	}
}

// outcomes are how many copies the second worker used, refused and ignored.
func (s *succession) outcomes(t *testing.T) [3]float64 {
	t.Helper()
	m := s.to.copies.meter
	return [3]float64{count(t, m.used), count(t, m.refused), count(t, m.ignored)}
}

// count returns a counter's value.
func count(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	metrics := prometheus.NewRegistry()
	require.NoError(t, metrics.Register(c))
	families, err := metrics.Gather()
	require.NoError(t, err)
	return families[0].GetMetric()[0].GetCounter().GetValue()
}

// warm copies the room's shard.
func (s *succession) warm(t *testing.T, room id.RoomID) {
	t.Helper()
	s.from.Warm(t.Context(), s.from.leases.ShardOf(room), s.to.leases.worker)
}

// move hands the room's shard over.
func (s *succession) move(t *testing.T, room id.RoomID) {
	t.Helper()
	shard := s.from.leases.ShardOf(room)
	require.NoError(t, s.from.Quiesce(t.Context(), shard))
	s.take(t, room)
	s.from.Lost(shard)
}

// take gives the room's shard to the second worker without the first one's consent.
func (s *succession) take(t *testing.T, room id.RoomID) {
	t.Helper()
	shard := s.from.leases.ShardOf(room)
	s.from.db.exec(t, "UPDATE shard_lease SET owner = $1, epoch = epoch + 1 WHERE shard_id = $2", s.to.leases.worker, shard)
	require.NoError(t, s.to.leases.Refresh(t.Context()))
	epoch, ok := s.to.leases.OwnLease(shard)
	require.True(t, ok)
	s.to.Granted(shard, epoch)
}

func (s *succession) events(t *testing.T, room id.RoomID) {
	t.Helper()
	require.Zero(t, s.from.db.count(t, `SELECT count(*) FROM (
		SELECT convert_from(json, 'UTF8')::jsonb -> 'prev_events' ->> 0 AS prev, lag(event_id) OVER w AS before, lag(position) OVER w AS at
		FROM event WHERE room_id = $1 WINDOW w AS (PARTITION BY room_id ORDER BY position)) c
		WHERE at IS NOT NULL AND prev IS DISTINCT FROM before`, string(room)), "each event follows the one before it")
}

func TestARoomThatWasCopiedIsNotReadWhole(t *testing.T) {
	t.Parallel()
	s := newSuccession(t)
	room, cold := s.from.newRoom(t), s.from.newRoom(t)
	copied := 1.0
	for s.from.leases.ShardOf(cold) == s.from.leases.ShardOf(room) { // which move apart
		cold = s.from.newRoom(t)
		copied++
	}
	s.warm(t, room)
	// What is written after the copy is read from the table.
	require.Equal(t, 200, s.from.post(t, bob, "/join/"+string(room), nil).status)
	require.Equal(t, 200, s.from.send(t, room, bob, "one").status)
	s.move(t, room)
	require.Equal(t, 200, s.to.send(t, room, bob, "two").status)
	require.Zero(t, s.reads.n.Load())
	require.Equal(t, [3]float64{copied, 0, 0}, s.outcomes(t))
	s.events(t, room)
	require.Equal(t, 2, messages(t, s.from.db, room))

	s.move(t, cold)
	require.Equal(t, 200, s.to.send(t, cold, alice, "one").status)
	require.Equal(t, int64(1), s.reads.n.Load(), "and that is counted")
}

// In some versions an event says more of those that it follows than their ids.
func TestRoomsOfEveryVersionGoOnFromTheirCopies(t *testing.T) {
	t.Parallel()
	s := newSuccession(t)
	rooms, shards := map[*event.Version]id.RoomID{}, map[int]id.RoomID{}
	for _, v := range event.Versions {
		rooms[v] = s.from.newRoomOf(t, v)
		shards[s.from.leases.ShardOf(rooms[v])] = rooms[v]
	}
	for _, room := range shards {
		s.warm(t, room)
	}
	for _, room := range shards {
		s.move(t, room)
	}
	for _, v := range event.Versions {
		require.Equal(t, 200, s.to.send(t, rooms[v], alice, "one").status, v.ID)
		requireStored(t, s.to, v, rooms[v])
	}
	require.Zero(t, s.reads.n.Load())
	require.Equal(t, [3]float64{float64(len(rooms)), 0, 0}, s.outcomes(t))
}

// The copy is late: it allows what is forbidden by now.
func TestALateCopyAuthorisesNothing(t *testing.T) {
	t.Parallel()
	s := newSuccession(t)
	room := s.from.newRoom(t)
	require.Equal(t, 200, s.from.post(t, bob, "/join/"+string(room), nil).status)
	s.warm(t, room)
	require.Equal(t, 200, s.from.post(t, alice, "/rooms/"+string(room)+"/kick", map[string]any{"user_id": bob}).status)
	s.move(t, room)
	require.Equal(t, 403, s.to.send(t, room, bob, "one").status)
	require.Equal(t, 200, s.to.send(t, room, alice, "two").status)
	s.events(t, room)
}

// A copy is made under a lease that was lost: others have written since.
func TestACopyOfAZombieAuthorisesNothing(t *testing.T) {
	t.Parallel()
	s := newSuccession(t)
	room := s.from.newRoom(t)
	require.Equal(t, 200, s.from.post(t, bob, "/join/"+string(room), nil).status)
	between := s.from.db.start(t, takeover(t, s.from.leases), nil)
	require.Equal(t, 200, between.post(t, alice, "/rooms/"+string(room)+"/kick", map[string]any{"user_id": bob}).status)
	s.warm(t, room)
	s.take(t, room)
	require.Equal(t, 403, s.to.send(t, room, bob, "one").status)
	require.Equal(t, 200, s.to.send(t, room, alice, "two").status)
	s.events(t, room)
}

// A promoted standby did not have what the copy ends with.
func TestACopyOfALostPastAuthorisesNothing(t *testing.T) {
	t.Parallel()
	s := newSuccession(t)
	room := s.from.newRoom(t)
	require.Equal(t, 200, s.from.post(t, bob, "/join/"+string(room), nil).status)
	s.warm(t, room)
	for _, table := range []string{"event", "state_delta", "current_state"} {
		s.from.db.exec(t, "DELETE FROM "+table+" WHERE room_id = $1 AND state_key = $2", string(room), string(bob))
	}
	after := s.from.db.start(t, takeover(t, s.from.leases), nil)
	require.Equal(t, 200, after.send(t, room, alice, "one").status)
	s.take(t, room)
	require.Equal(t, 403, s.to.send(t, room, bob, "two").status)
	require.Equal(t, 200, s.to.send(t, room, alice, "three").status)
	s.events(t, room)
}

// What a redaction took away is not in memory either: else the same topic would be no change.
func TestACopyFromBeforeARedactionIsNotUsed(t *testing.T) {
	t.Parallel()
	s := newSuccession(t)
	room := s.from.newRoom(t)
	path := "/rooms/" + string(room)
	topic := s.from.put(t, alice, path+"/state/m.room.topic", `{"topic":"x"}`).text("event_id")
	s.warm(t, room)
	require.Equal(t, 200, s.from.put(t, alice, path+"/redact/"+topic+"/1", "{}").status)
	s.move(t, room)
	again := s.to.put(t, alice, path+"/state/m.room.topic", `{"topic":"x"}`)
	require.Equal(t, 200, again.status, again.body)
	require.NotEqual(t, topic, again.text("event_id"))
}

// Rooms that too much was written to since, and messages of other builds, are read from the table.
func TestCopiesThatDoNotHelpAreIgnored(t *testing.T) {
	t.Parallel()
	s := newSuccession(t)
	room := s.from.newRoom(t)
	var body string
	s.from.opts.SendCopies = func(_ context.Context, _ int64, b []byte) error { body = string(b); return nil }
	s.warm(t, room)
	for _, other := range []int{copiesVersion - 1, copiesVersion + 1} {
		s.deliver(t, strings.Replace(body, fmt.Sprintf(`"version":%d`, copiesVersion), fmt.Sprintf(`"version":%d`, other), 1))
	}
	require.Zero(t, s.to.copies.bytes)
	s.deliver(t, body)
	require.Positive(t, s.to.copies.bytes)
	for range maxCatchUp + 1 {
		require.Equal(t, 200, s.from.send(t, room, alice, nextRequest()).status)
	}
	s.move(t, room)
	require.Equal(t, 200, s.to.send(t, room, alice, "last").status)
	require.Equal(t, int64(1), s.reads.n.Load())
	require.Equal(t, [3]float64{0, 1, 2}, s.outcomes(t))
	require.Zero(t, s.to.copies.bytes, "what was taken is kept no more")
	s.events(t, room)
}

func TestCopiesAreTakenFromWorkersOnly(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	r := httptest.NewRequest("POST", CopiesPath, strings.NewReader(`{"version":1}`))
	for name, ctx := range map[string]context.Context{
		"nobody": r.Context(), "a user": internalauth.WithIdentity(r.Context(), internalauth.Identity{UserID: alice}),
	} {
		w := httptest.NewRecorder()
		p.handler.ServeHTTP(w, r.WithContext(ctx))
		require.Equal(t, http.StatusUnauthorized, w.Code, name)
	}
}

// A worker that leaves gives all its shards away at once.
func TestFewCopiesAreOnTheirWayAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const atOnce, all = 4, 10
		sent, release := make(chan struct{}, all), make(chan struct{})
		s := &memoryStore{}
		l := startLane(t, s)
		p := &Persister{lanes: []*lane{l}, sending: make(chan struct{}, maxSending), opts: Options{
			SendCopies: func(context.Context, int64, []byte) error {
				sent <- struct{}{}
				<-release
				return nil
			},
		}}
		var warming sync.WaitGroup
		newRoomsIn(t, l, s, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
		for shard := range all {
			warming.Go(func() { p.Warm(t.Context(), shard, 1) })
		}
		synctest.Wait()
		require.Len(t, sent, atOnce)
		close(release)
		warming.Wait()
		require.Len(t, sent, all, "the others come to their turn")

		for range atOnce {
			p.sending <- struct{}{}
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		for shard := range all {
			p.Warm(ctx, shard, 1)
		}
		require.Equal(t, 300*time.Millisecond, time.Since(began), "it returns in time, sent or not")
		require.Len(t, sent, all)
	})
}
