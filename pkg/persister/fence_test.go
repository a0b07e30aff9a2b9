package persister

import (
	"encoding/json"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/postgres"
)

// takeover gives all shards to a new worker, as another process would: this one is told nothing.
func takeover(t *testing.T, from *leases) *leases {
	t.Helper()
	from.believe()
	return from.db.join(t)
}

func messages(t *testing.T, db *database, room id.RoomID) int {
	t.Helper()
	return db.count(t, "SELECT count(*) FROM event WHERE room_id = $1 AND type = 'm.room.message'", string(room))
}

// The owner is the same, its epoch is not: only the comparison of epochs stops this write.
func TestZombieWriteIsFencedByEpoch(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	p.leases.believe()
	p.db.exec(t, "UPDATE shard_lease SET epoch = epoch + 2")
	got := p.send(t, room, alice, "one")
	require.Equal(t, 421, got.status, got.body)
	require.Zero(t, messages(t, p.db, room))
	require.Equal(t, "3", got.header.Get("X-Myelin-Epoch"))
}

func TestZombieWriteIsFencedByOwner(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	next := takeover(t, p.leases)
	got := p.send(t, room, alice, "one")
	require.Equal(t, 421, got.status, got.body)
	require.Zero(t, messages(t, p.db, room))
	require.Equal(t, strconv.FormatInt(next.worker, 10), got.header.Get("X-Myelin-Owner"))
	require.NotEmpty(t, got.header.Get("X-Myelin-Owner-Addr"))
}

// A takeover must wait for the block that has passed the fence, or its new owner would not see that block's events.
func TestZombieWriteIsFencedByRowLock(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)

	// The block passes the fence, then waits.
	release := p.db.block(t)
	replies := make(chan reply, 1)
	go func() { replies <- p.send(t, room, alice, "one") }()
	p.db.awaitBlocked(t)

	takeovers := make(chan int, 1)
	go func() {
		takeover(t, p.leases)
		takeovers <- messages(t, p.db, room)
	}()
	p.db.await(t, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE shard_lease%'")
	release()
	require.Equal(t, 200, (<-replies).status)
	require.Equal(t, 1, <-takeovers, "the new owner sees the block that was in flight")
}

// Two rooms in one block: the one whose shard is lost is answered 421, the other is written.
func TestLostShardDoesNotHurtTheOthers(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	p := db.start(t, db.join(t), func(o *Options) { o.Lanes = 1 })
	rooms := p.rooms(t, 6)
	lostShard := p.leases.ShardOf(rooms[0])
	p.leases.believe()
	db.exec(t, "UPDATE shard_lease SET owner = NULL, epoch = epoch + 1 WHERE shard_id = $1", lostShard)

	release := db.block(t)
	var done sync.WaitGroup
	done.Go(func() { p.send(t, rooms[1], alice, "first") })
	db.awaitBlocked(t)
	statuses := make([]int, len(rooms))
	for i, room := range rooms {
		done.Go(func() { statuses[i] = p.send(t, room, alice, "second").status })
	}
	awaitWaiting(t, p.lanes[0], len(rooms)+1)
	release()
	done.Wait()
	for i, room := range rooms {
		if p.leases.ShardOf(room) == lostShard {
			require.Equal(t, 421, statuses[i])
			require.Zero(t, db.count(t, "SELECT count(*) FROM event WHERE room_id = $1 AND txn_id = 'second'", string(room)))
		} else {
			require.Equal(t, 200, statuses[i])
		}
	}
}

// What a zombie remembers does not refuse anybody.
func TestRefusalFromMemoryIsVerifiedFirst(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	room := p.newRoom(t)
	require.Equal(t, 403, p.send(t, room, bob, "one").status)
	require.Positive(t, p.leases.verified)
	takeover(t, p.leases)
	require.Equal(t, 421, p.send(t, room, bob, "two").status)
}

// Neither a no nor "it is so already" is answered from what a zombie remembers, whatever is asked for.
func TestWhatAZombieRemembersIsNoAnswer(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	rule := func(content string) InitialEvent {
		return InitialEvent{"m.room.join_rules", "", json.RawMessage(content)}
	}
	room, knocked := p.newRoom(t), p.newRoom(t, rule(`{"join_rule":"knock"}`))
	restricted := p.newRoom(t, rule(`{"join_rule":"restricted","allow":[{"type":"m.room_membership","room_id":"!x:test.example"}]}`))
	const client, nowhere, none = "/_matrix/client/v3", "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	in := client + "/rooms/" + string(room)
	who := func(user id.UserID) map[string]any { return map[string]any{"user_id": user} }
	again := newRoomRequest(t, -7)

	for _, change := range []struct {
		user         id.UserID
		method, path string
		body         any
	}{
		{alice, "PUT", in + "/state/m.room.topic", `{"topic":"x"}`},
		{alice, "POST", in + "/invite", who(bob)},
		{carol, "POST", client + "/join/" + string(room), nil},
		{carol, "POST", in + "/leave", nil},
		{alice, "POST", in + "/ban", who("@banned:test.example")},
		{carol, "POST", client + "/knock/" + string(knocked), nil},
		{alice, "POST", CreateRoomPath, again},
	} {
		got := p.call(t.Context(), change.user, nextRequest(), change.method, change.path, change.body)
		require.Equal(t, 200, got.status, "%s: %v", change.path, got.body)
	}
	answers := map[string]struct {
		user         id.UserID
		method, path string
		body         any
		status       int // of the owner's answer
	}{
		"a message":                   {bob, "PUT", in + "/send/m.x/1", "{}", 403},
		"a message to no room":        {bob, "PUT", client + "/rooms/" + nowhere + "/send/m.x/1", "{}", 403},
		"state":                       {bob, "PUT", in + "/state/m.x", "{}", 403},
		"the same state":              {alice, "PUT", in + "/state/m.room.topic", `{"topic":"x"}`, 200},
		"a redaction":                 {bob, "PUT", in + "/redact/" + none + "/1", "{}", 403},
		"a redaction of nothing":      {alice, "PUT", in + "/redact/" + none + "/1", "{}", 404},
		"a join of no room":           {bob, "POST", client + "/join/" + nowhere, nil, 404},
		"a join that is not allowed":  {bob, "POST", client + "/join/" + string(knocked), nil, 403},
		"a join without the other":    {bob, "POST", client + "/join/" + string(restricted), nil, 403},
		"a join of who has joined":    {alice, "POST", client + "/join/" + string(room), nil, 200},
		"a knock":                     {bob, "POST", client + "/knock/" + string(room), nil, 403},
		"a knock of who has knocked":  {carol, "POST", client + "/knock/" + string(knocked), nil, 200},
		"an invite":                   {bob, "POST", in + "/invite", who(carol), 403},
		"an invite of who is invited": {alice, "POST", in + "/invite", who(bob), 200},
		"a leave":                     {bob, "POST", client + "/rooms/" + string(restricted) + "/leave", nil, 403},
		"a leave of who has left":     {carol, "POST", in + "/leave", nil, 200},
		"a kick":                      {alice, "POST", in + "/kick", who(carol), 403},
		"a ban":                       {bob, "POST", in + "/ban", who(alice), 403},
		"a ban of who is banned":      {alice, "POST", in + "/ban", who("@banned:test.example"), 200},
		"an unban":                    {alice, "POST", in + "/unban", who(alice), 403},
		"a new room":                  {alice, "POST", CreateRoomPath, again, 200},
		"a room that is there":        {bob, "POST", RetireRoomPath, RetireRoomRequest{room, "!new:test.example"}, 403},
	}
	for name, a := range answers {
		got := p.call(t.Context(), a.user, nextRequest(), a.method, a.path, a.body)
		require.Equal(t, a.status, got.status, "%s: %v", name, got.body)
	}
	takeover(t, p.leases)
	for name, a := range answers {
		got := p.call(t.Context(), a.user, nextRequest(), a.method, a.path, a.body)
		require.Equal(t, 421, got.status, "%s: %v", name, got.body)
	}
}

func TestNewOwnerContinuesTheRoom(t *testing.T) {
	t.Parallel()
	a := newPersister(t)
	room := a.newRoom(t)
	require.Equal(t, 200, a.send(t, room, alice, "one").status)
	b := a.db.start(t, takeover(t, a.leases), nil)
	require.Equal(t, 200, b.send(t, room, alice, "two").status)
	require.Equal(t, 421, a.send(t, room, alice, "three").status)
	// One chain: every event follows the one before.
	require.Equal(t, 1, a.db.count(t, `SELECT count(*) FROM event e JOIN event f USING (room_id)
		WHERE e.txn_id = 'one' AND f.txn_id = 'two' AND convert_from(f.json, 'UTF8')::jsonb -> 'prev_events' = jsonb_build_array(e.event_id)
			AND f.depth = e.depth + 1 AND f.owner > e.owner AND f.epoch > e.epoch`))
}

func TestAnotherDatabaseIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	p := db.start(t, db.join(t), func(o *Options) { o.DatabaseID = "00000000-0000-0000-0000-000000000000" })
	got := p.call(t.Context(), alice, "r", "POST", CreateRoomPath, newRoomRequest(t, -2))
	require.Equal(t, 503, got.status)
	require.ErrorIs(t, p.stop(), postgres.ErrOtherDatabase)
	require.Zero(t, db.count(t, "SELECT count(*) FROM event"))
}

// await polls until the query says true.
func (d *database) await(t testing.TB, sql string, args ...any) {
	t.Helper()
	require.Eventually(t, func() bool {
		var ok bool
		return d.pool.QueryRow(t.Context(), sql, args...).Scan(&ok) == nil && ok
	}, soon, 2*time.Millisecond)
}

// awaitWaiting waits until so many writes of the lane have no answer, and the lane has taken them all.
func awaitWaiting(t *testing.T, l *lane, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		l.queue.mu.Lock()
		defer l.queue.mu.Unlock()
		return l.queue.waiting.Len() >= n && len(l.queue.arrived) == 0
	}, soon, time.Millisecond)
}
