package persister

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/postgres"
)

// connections returns the backends of a worker's lanes.
func (d *database) connections(t *testing.T, l *leases) []string {
	t.Helper()
	return d.rows(t, "SELECT pid::text FROM pg_stat_activity WHERE application_name = $1", lease.ApplicationName(l.worker))
}

// sendSoon is send, but does not wait for ever.
func (p *testPersister) sendSoon(t *testing.T, room id.RoomID, txn string) reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	return p.call(ctx, alice, "", http.MethodPut, "/_matrix/client/v3/rooms/"+string(room)+"/send/m.x/"+txn, "{}")
}

// What the database refuses of a block costs a round trip: the connection, with the statements that are prepared on it,
// carries the next one.
func TestARefusedBlockLeavesTheConnection(t *testing.T) {
	t.Parallel()
	db, metrics := newDatabase(t), prometheus.NewRegistry()
	p := db.start(t, db.join(t), func(o *Options) { o.Lanes, o.MemoryKeys, o.Registerer = 1, 1, metrics })
	room := p.newRoom(t)
	first := p.send(t, room, alice, "one")
	require.Equal(t, 200, first.status)
	before := db.connections(t, p.leases)
	require.Len(t, before, 1)

	db.exec(t, "UPDATE shard_lease SET epoch = epoch + 1")
	require.Equal(t, 200, p.send(t, room, alice, "two").status)
	require.Positive(t, failures(t, metrics, lost))
	require.Equal(t, before, db.connections(t, p.leases), "leases lost")

	require.Equal(t, first.text("event_id"), p.send(t, room, alice, "one").text("event_id"))
	require.Positive(t, failures(t, metrics, repeated))
	require.Equal(t, before, db.connections(t, p.leases), "a key that is there")
}

// A former primary that lives on refuses every block, as lost or as of another generation: to stay with it is to hang.
func TestALaneConnectsAnewAfterAFailover(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	p := db.start(t, db.join(t), func(o *Options) { o.Lanes = 1 })
	room := p.newRoom(t)
	before := db.connections(t, p.leases)
	db.promote(t, room)
	require.NoError(t, p.leases.Refresh(t.Context()))
	require.Equal(t, 200, p.sendSoon(t, room, "one").status)
	db.await(t, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $1::integer", before[0])
}

// A session may have forgotten its statements, or keep a plan that does not fit any more.
func TestALaneThatCannotWriteConnectsAnew(t *testing.T) {
	t.Parallel()
	db, metrics := newDatabase(t), prometheus.NewRegistry()
	leases := db.join(t)
	s := &session{source: postgres.At(db.uri), name: "lane", leases: leases, worker: leases.worker, databaseID: db.id}
	require.NoError(t, s.ready(t.Context()))
	_, err := s.conn.Exec(t.Context(), "DEALLOCATE ALL")
	require.NoError(t, err)
	p := db.start(t, leases, func(o *Options) { o.Lanes, o.Registerer = 1, metrics })
	p.lanes[0].pipe.commit = s.commit
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	require.Equal(t, 200, p.call(ctx, alice, "r", "POST", CreateRoomPath, newRoomRequest(t, -9)).status)
	require.Positive(t, failures(t, metrics, notWritten))
	s.close(t.Context())
}

// Neither rooms nor what was answered are read from a former primary, wherever the pool leads.
func TestAFormerPrimaryIsNotRead(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	wants := []want{{room: newRoom(room, p.leases.ShardOf(room), 1)}}
	key := dedupeKey{user: alice, txn: "x"}
	got, err := p.reader.load(t.Context(), wants)
	require.NoError(t, err)
	require.NotNil(t, got.rooms[room])
	p.leases.mu.Lock()
	p.leases.generation++
	p.leases.mu.Unlock()
	_, err = p.reader.load(t.Context(), wants)
	require.ErrorIs(t, err, errFormer)
	require.False(t, ofWhatIsRead(err), "it is tried again")
	_, err = p.reader.repeated(t.Context(), []dedupeKey{key})
	require.ErrorIs(t, err, errFormer)
}

// To plan a block's statements takes Postgres as long as to run them.
func TestALanePlansItsStatementsOnce(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	leases := db.join(t)
	s := &session{source: postgres.At(db.uri), name: "lane", leases: leases, worker: leases.worker, databaseID: db.id}
	p := db.start(t, leases, func(o *Options) { o.Lanes = 1 })
	p.lanes[0].pipe.commit = s.commit
	room := p.newRoom(t)
	const blocks = 10 // Postgres plans anew five times before it compares
	for i := range blocks {
		require.Equal(t, 200, p.send(t, room, alice, fmt.Sprint(i)).status)
	}
	var once, anew int
	require.NoError(t, s.conn.QueryRow(t.Context(), "SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements").Scan(&once, &anew))
	require.GreaterOrEqual(t, once, 3*blocks)
	require.Zero(t, anew)
	s.close(t.Context())
}
