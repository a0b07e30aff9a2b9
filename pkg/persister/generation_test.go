package persister

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/postgres"
)

// promote makes the database look as the barrier leaves a promoted standby that had nothing of the room but how it
// began, when the worker has adopted all shards again.
func (d *database) promote(t *testing.T, room id.RoomID) {
	t.Helper()
	d.exec(t, "DELETE FROM event WHERE room_id = $1 AND type = 'm.room.message'", string(room))
	d.exec(t, "DELETE FROM request_dedupe WHERE txn_id NOT LIKE 'r%'")
	d.exec(t, "UPDATE shard_lease SET epoch = epoch + 65536")
	d.exec(t, "UPDATE cluster_state SET generation = generation + 1")
}

// What was acknowledged before the failover may be gone, and with it the answer to the request that is sent again.
func TestNothingFromBeforeAFailoverIsRemembered(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	first := p.send(t, room, alice, "one")
	require.Equal(t, 200, first.status)
	p.db.promote(t, room)
	require.NoError(t, p.leases.Refresh(t.Context()))
	p.Reset(2)
	again := p.send(t, room, alice, "one")
	require.Equal(t, 200, again.status, again.body)
	require.NotEqual(t, first.text("event_id"), again.text("event_id"))
	require.Equal(t, []string{again.text("event_id")},
		p.db.rows(t, "SELECT event_id FROM event WHERE room_id = $1 AND type = 'm.room.message'", string(room)))
}

// The lane hears of the new generation by its first refusal.
func TestABlockOfAnotherGenerationStartsAgain(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	p.db.exec(t, "UPDATE cluster_state SET generation = 2")
	require.Equal(t, 200, p.send(t, room, alice, "one").status)
	require.Equal(t, 1, messages(t, p.db, room))
}

// The answer of a COMMIT was lost, and the server with it. It is still there, a former primary, and has the event; the
// homeserver's database is another by now.
func TestAFormerPrimaryIsNotLookedAt(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	cutter, uri := newProxy(t, db.uri)
	leases := db.join(t)
	refused := &listening{Handler: slog.DiscardHandler, err: errFormer, heard: make(chan struct{}, 1)}
	p := db.start(t, leases, func(o *Options) { o.Source, o.Logger = postgres.At(uri), slog.New(refused) })
	room := p.newRoom(t)
	cutter.arm(duringCommit)
	cutter.sent = func() {
		db.await(t, "SELECT count(*) = 1 FROM event WHERE room_id = $1 AND type = 'm.room.message'", string(room))
		leases.mu.Lock()
		defer leases.mu.Unlock()
		leases.generation = 2
	}
	replies := make(chan reply, 1)
	go func() { replies <- p.send(t, room, alice, "one") }()
	<-cutter.wasCut
	for range 3 {
		select {
		case <-refused.heard:
		case <-replies:
			require.Fail(t, "answered by what a former primary has")
		}
	}
	db.promote(t, room)
	got := <-replies
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, []string{got.text("event_id")},
		db.rows(t, "SELECT event_id FROM event WHERE room_id = $1 AND type = 'm.room.message'", string(room)))
}

// listening waits for an error in a log.
type listening struct {
	slog.Handler
	err   error
	heard chan struct{}
}

func (*listening) Enabled(context.Context, slog.Level) bool { return true }

func (l *listening) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok && errors.Is(err, l.err) {
			select {
			case l.heard <- struct{}{}:
			default:
			}
		}
		return true
	})
	return nil
}

// ageing is always, of a database that may have another past.
type ageing struct {
	always
	generation atomic.Int64 // less one
}

func (a *ageing) Generation() int64 { return 1 + a.generation.Load() }

// COMMIT was answered by the old primary, and the client not yet.
func TestACommitOfThePastIsLookedForInThePresent(t *testing.T) {
	t.Parallel()
	s, leases := &memoryStore{}, &ageing{}
	l := startLaneWith(t, s, leases)
	room, created := queueNewRoom(t, l)
	<-s.began
	s.proceed <- struct{}{}
	require.NoError(t, (<-created).err)
	sent := queueMessage(t, l, room, "x")
	<-s.began
	leases.generation.Store(1)
	s.mu.Lock()
	kept := s.events[room]
	s.mu.Unlock()
	s.proceed <- struct{}{}
	select {
	case <-s.began: // it is not there: it is written again
	case <-sent:
		require.Fail(t, "answered by what the old primary said")
	}
	s.mu.Lock()
	s.events[room] = kept
	s.generation = 2
	s.mu.Unlock()
	require.Empty(t, sent)
	s.proceed <- struct{}{}
	require.NoError(t, (<-sent).err)
}

// The map from rooms to shards changed while a write waited: the lease that it was queued under is not its room's.
func TestAWriteDoesNotGoToTheShardThatItsRoomLeft(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	from := p.leases.ShardOf(room)
	to := (from + 1) % 64
	require.NoError(t, p.Quiesce(t.Context(), from))
	replies := make(chan reply, 1)
	go func() { replies <- p.send(t, room, alice, "one") }()
	awaitWaiting(t, p.lane(from), 1)
	p.db.exec(t, "UPDATE shard_lease SET epoch = epoch + 1 WHERE shard_id IN ($1, $2)", from, to)
	p.leases.mu.Lock()
	p.leases.moved = map[id.RoomID]int{room: to}
	p.leases.mu.Unlock()
	require.NoError(t, p.leases.Refresh(t.Context()))
	for _, shard := range []int{from, to} {
		epoch, _ := p.leases.OwnLease(shard)
		p.Granted(shard, epoch)
	}
	require.Equal(t, 421, (<-replies).status)
	require.Equal(t, 200, p.send(t, room, alice, "one").status)
	require.Equal(t, 1, p.db.count(t, "SELECT count(*) FROM event WHERE room_id = $1 AND type = 'm.room.message' AND shard_id = $2", string(room), to))
}
