package persister

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres"
)

func TestSameTransactionTwiceAtOnceIsOneEvent(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	ids := make([]string, 8)
	var done sync.WaitGroup
	for i := range ids {
		done.Go(func() { ids[i] = p.send(t, room, alice, "same").text("event_id") })
	}
	done.Wait()
	require.NotEmpty(t, ids[0])
	for _, eventID := range ids {
		require.Equal(t, ids[0], eventID)
	}
	require.Equal(t, 1, messages(t, p.db, room))
}

func TestSameTransactionAfterARestartIsOneEvent(t *testing.T) {
	t.Parallel()
	a := newPersister(t)
	room := a.newRoom(t)
	first := a.send(t, room, alice, "same").text("event_id")
	require.NoError(t, a.stop())
	b := a.db.start(t, takeover(t, a.leases), nil)
	require.Equal(t, first, b.send(t, room, alice, "same").text("event_id"))
	require.Equal(t, 1, messages(t, a.db, room))
}

// The new owner has the room in memory, but never saw the key: the index is the judge, and the others in the block are
// none the worse.
func TestSameTransactionInAWarmRoomIsOneEvent(t *testing.T) {
	t.Parallel()
	a := newPersister(t)
	room := a.newRoom(t)
	first := a.send(t, room, alice, "same").text("event_id")
	b := a.db.start(t, takeover(t, a.leases), nil)
	require.Equal(t, 200, b.send(t, room, alice, "warm").status)
	require.Equal(t, first, b.send(t, room, alice, "same").text("event_id"))
	require.Equal(t, 200, b.send(t, room, alice, "other").status)
	require.Equal(t, 3, messages(t, a.db, room))
}

func TestSameTransactionAfterMidnightIsOneEvent(t *testing.T) {
	t.Parallel()
	a := newPersister(t)
	room := a.newRoom(t)
	first := a.send(t, room, alice, "same").text("event_id")
	a.db.exec(t, "UPDATE request_dedupe SET day = day - 1")
	b := a.db.start(t, takeover(t, a.leases), nil)
	require.Equal(t, 200, b.send(t, room, alice, "warm").status)
	require.Equal(t, first, b.send(t, room, alice, "same").text("event_id"))
	require.Equal(t, 2, messages(t, a.db, room))
}

func TestOtherDevicesAndPathsAreOtherTransactions(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	one, two := p.newRoom(t), p.newRoom(t)
	ids := map[string]bool{
		p.send(t, one, alice, "same").text("event_id"):                                     true,
		p.send(t, two, alice, "same").text("event_id"):                                     true,
		p.put(t, alice, "/rooms/"+string(one)+"/send/m.other/same", "{}").text("event_id"): true,
	}
	require.Len(t, ids, 3)
	require.NotContains(t, ids, "")
}

// What has no transaction id of the client's is told by the request id that the gateway gave it.
func TestRequestIDDeduplicatesWhatHasNoTransaction(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	request := newRoomRequest(t, -3)
	first := p.call(t.Context(), alice, "again", "POST", CreateRoomPath, request)
	require.Equal(t, 200, first.status, first.body)
	// Sent again, the client role builds another create event, of another room.
	second := p.call(t.Context(), alice, "again", "POST", CreateRoomPath, newRoomRequest(t, -4))
	require.Equal(t, first.body, second.body)
	require.Equal(t, 1, p.db.count(t, "SELECT count(*) FROM room"))
}

// One transaction writes both, so that there is never an event whose key is missing, nor a key without its event.
func TestDedupeSharesTheEventsTransaction(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	cutter, uri := newProxy(t, db.uri)
	p := db.start(t, db.join(t), func(o *Options) { o.Source = postgres.At(uri) })
	room := p.newRoom(t)
	cutter.arm(afterCommit)
	require.Equal(t, 200, p.send(t, room, alice, "one").status)
	require.Equal(t, 200, p.send(t, room, alice, "two").status)
	require.Equal(t, 2, db.count(t, `SELECT count(*) FROM event e JOIN request_dedupe d USING (event_id, txn_id)
		WHERE e.room_id = $1 AND e.xmin = d.xmin`, string(room)))
}

// The first owner wrote the event and died before it answered. The second one has the room in memory, with what the event
// did to it, but never saw the key: that makes no refusal.
func TestRequestSentAgainIsNotRefusedForWhatItDid(t *testing.T) {
	t.Parallel()
	a := newPersister(t)
	room := a.newRoom(t)
	path := "/_matrix/client/v3/rooms/" + string(room)
	require.Equal(t, 200, a.post(t, bob, "/join/"+string(room), nil).status)
	said := a.send(t, room, bob, "same").text("event_id")
	require.NotEmpty(t, said)
	kick := map[string]any{"user_id": bob}
	require.Equal(t, 200, a.call(t.Context(), alice, "the kick", "POST", path+"/kick", kick).status)

	b := a.db.start(t, takeover(t, a.leases), nil)
	require.Equal(t, 200, b.send(t, room, alice, "warm").status)
	require.Equal(t, 200, b.call(t.Context(), alice, "the kick", "POST", path+"/kick", kick).status)
	require.Equal(t, said, b.send(t, room, bob, "same").text("event_id"))
	require.Equal(t, 403, b.call(t.Context(), alice, "another kick", "POST", path+"/kick", kick).status)
	require.Equal(t, 403, b.send(t, room, bob, "another").status)
	require.Equal(t, 2, messages(t, a.db, room))
}
