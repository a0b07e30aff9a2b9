package persister

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// memoryStore is a lane's world without a database. fail, if set, says what becomes of each block.
type memoryStore struct {
	mu   sync.Mutex
	fail func(*block) error
	// unreadable, if set, says why a room cannot be read.
	unreadable func(*room) error
	number     int64
	generation int64 // of the database; 0: 1
	events     map[id.RoomID][]*event.Event
	committed  []*block
	began      chan *block
	proceed    chan struct{} // closed when the test is over
	over       chan struct{}
}

// proceedAlways lets every block commit that begins, until the test is over.
func (s *memoryStore) proceedAlways() {
	for {
		select {
		case <-s.began:
			s.proceed <- struct{}{}
		case <-s.over:
			return
		}
	}
}

func (s *memoryStore) commit(_ context.Context, b *block) error {
	select {
	case s.began <- b:
		<-s.proceed
	case <-s.over:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(b); err != nil {
			return err
		}
	}
	s.number++
	b.number, b.generation = s.number, max(1, s.generation)
	for _, e := range b.entries {
		s.events[e.room.id] = append(s.events[e.room.id], e.ev)
	}
	s.committed = append(s.committed, b)
	return nil
}

// resolve finds that a block whose outcome was unknown was not written.
func (s *memoryStore) resolve(context.Context, *block) (bool, error) { return false, nil }

func (s *memoryStore) load(_ context.Context, wants []want) (loaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := loaded{rooms: make(map[id.RoomID]*snapshot)}
	for _, w := range wants {
		r := w.room
		if s.unreadable != nil {
			if err := s.unreadable(r); err != nil {
				return loaded{}, err
			}
		}
		events := s.events[r.id]
		if len(events) == 0 {
			continue
		}
		last := events[len(events)-1]
		snap := &snapshot{room: r.id, version: last.Version(), heads: []head{headOf(last)}}
		for _, ev := range events {
			if ev.IsState() {
				snap.state = append(snap.state, factOf(r.id, ev))
			}
		}
		got.rooms[r.id] = snap
	}
	return got, nil
}

// pins say which shard a room is in.
type pins struct {
	Leases
	shards sync.Map
}

func (p *pins) pin(room id.RoomID, shard int) { p.shards.Store(room, shard) }
func (*pins) Generation() int64               { return 1 }

func (p *pins) ShardOf(room id.RoomID) int {
	shard, _ := p.shards.Load(room)
	return shard.(int)
}

// always is a worker that owns all shards for ever.
type always struct{ pins }

func (*always) OwnLease(int) (int64, bool)    { return 1, true }
func (*always) Refresh(context.Context) error { return nil }

// raised is a worker that owns all shards, each under an epoch that may be raised.
type raised struct {
	pins
	mu     sync.Mutex
	epochs map[int]int64
}

func (r *raised) OwnLease(shard int) (int64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return 1 + r.epochs[shard], true
}

func (r *raised) raise(shard int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epochs[shard]++
}

func startLane(t *testing.T, s *memoryStore) *lane {
	t.Helper()
	return startLaneWith(t, s, &always{})
}

func startLaneWith(t *testing.T, s *memoryStore, leases Leases) *lane {
	t.Helper()
	s.events = make(map[id.RoomID][]*event.Event)
	s.began, s.proceed, s.over = make(chan *block), make(chan struct{}), make(chan struct{})
	m := newMeter(prometheus.NewRegistry(), func() float64 { return 0 })
	l := newLane(laneConfig{
		pipe:   pipeline{commit: s.commit, resolve: s.resolve, load: s.load, publish: func(*block) {}, close: func(context.Context) {}},
		leases: leases, forge: forge{signer, time.Now}, log: slog.New(slog.DiscardHandler), copies: newCopies(m.copies),
		meter: m, cacheRooms: 100, cacheBytes: 1 << 20, memoryKeys: 100,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.run(ctx) }()
	t.Cleanup(func() {
		close(s.over)
		close(s.proceed)
		cancel()
		require.NoError(t, <-done)
	})
	return l
}

// queueNewRoom queues a write that creates a room, queueMessage one that sends to it; both return the answer to come.
func queueNewRoom(t *testing.T, l *lane) (id.RoomID, <-chan answer) {
	t.Helper()
	create, err := event.Parse(event.DefaultVersion, newRoomRequest(t, -6).Create)
	require.NoError(t, err)
	var protos []event.Proto
	for _, e := range newRoomRequest(t, -6).Events {
		protos = append(protos, event.Proto{Sender: alice, Type: e.Type, StateKey: &e.StateKey, Content: e.Content})
	}
	return create.RoomID(), queueWrite(t, l, create.RoomID(), newRoomDecider(create, protos))
}

func queueMessage(t *testing.T, l *lane, room id.RoomID, body string) <-chan answer {
	t.Helper()
	return queueWrite(t, l, room, sendEvent(alice, "m.room.message", []byte(fmt.Sprintf(`{"body":%q}`, body))))
}

func queueWrite(t *testing.T, l *lane, room id.RoomID, decide decider) <-chan answer {
	t.Helper()
	return queueIn(t, l, 0, room, decide)
}

// awaitTurns waits until all writes queued so far have had their turn: the loop takes what arrived, then lets it have its
// turn, then obeys the next order.
func awaitTurns(t *testing.T, l *lane) {
	t.Helper()
	require.Eventually(t, func() bool {
		l.queue.mu.Lock()
		defer l.queue.mu.Unlock()
		return len(l.queue.arrived) == 0
	}, soon, time.Millisecond)
	done := make(chan struct{})
	l.orders.give(order{kind: quiesce, shard: -1, done: done})
	<-done
}

func TestWhileOneBlockCommitsTheNextCollects(t *testing.T) {
	t.Parallel()
	s := &memoryStore{}
	l := startLane(t, s)
	room, created := queueNewRoom(t, l)
	first := <-s.began
	var answers []<-chan answer
	for i := range 10 {
		answers = append(answers, queueMessage(t, l, room, fmt.Sprint(i)))
	}
	awaitTurns(t, l)
	require.Len(t, first.writes, 1)
	s.proceed <- struct{}{}
	require.NoError(t, (<-created).err)
	second := <-s.began
	s.proceed <- struct{}{}
	for _, a := range answers {
		require.NoError(t, (<-a).err)
	}
	require.Len(t, second.writes, 10)
	for i, e := range second.entries[1:] {
		require.Equal(t, []id.EventID{second.entries[i].ev.ID()}, e.ev.PrevEvents(), "events of one block follow each other")
	}
}

// Nobody is told what follows from events that may yet fail.
func TestRefusalRidesOnTheBlockItFollowsFrom(t *testing.T) {
	t.Parallel()
	s := &memoryStore{}
	l := startLane(t, s)
	room, created := queueNewRoom(t, l)
	<-s.began
	refused := queueWrite(t, l, room, sendEvent(bob, "m.room.message", []byte(`{}`)))
	same := queueWrite(t, l, room, membership{sender: alice, target: alice}.join(false))
	awaitTurns(t, l)
	require.Empty(t, refused)
	require.Empty(t, same)
	s.proceed <- struct{}{}
	require.NoError(t, (<-created).err)
	require.ErrorContains(t, (<-refused).err, "M_FORBIDDEN")
	require.NotEmpty(t, (<-same).event)
}

// Everything that was built on a block that failed is built again, in the same order.
func TestFailedBlockIsBuiltAgainInOrder(t *testing.T) {
	t.Parallel()
	failures := 2
	s := &memoryStore{}
	s.fail = func(b *block) error {
		if b.entries[0].ev.Type() == "m.room.message" && failures > 0 {
			failures--
			return &pgconn.PgError{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "40P01"}
		}
		return nil
	}
	l := startLane(t, s)
	room, created := queueNewRoom(t, l)
	<-s.began
	s.proceed <- struct{}{}
	require.NoError(t, (<-created).err)
	var answers []<-chan answer
	for i := range 5 {
		answers = append(answers, queueMessage(t, l, room, fmt.Sprint(i)))
	}
	go s.proceedAlways()
	var ids []id.EventID
	for _, a := range answers {
		got := <-a
		require.NoError(t, got.err)
		ids = append(ids, got.event)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.events[room]
	require.Len(t, events, 9)
	for i, ev := range events[4:] {
		require.Equal(t, ids[i], ev.ID())
		require.Equal(t, []id.EventID{events[3+i].ID()}, ev.PrevEvents())
		require.Contains(t, string(ev.Content()), fmt.Sprint(i))
	}
}

// queueIn is queueWrite for a room of a shard.
func queueIn(t *testing.T, l *lane, shard int, room id.RoomID, decide decider) <-chan answer {
	t.Helper()
	l.leases.(interface{ pin(id.RoomID, int) }).pin(room, shard)
	w := &write{ctx: t.Context(), room: room, shard: shard, size: 1, decide: decide, answer: make(chan answer, 1)}
	require.NoError(t, l.queue.push(w, time.Now()))
	return w.answer
}

func aMessage(body string) decider {
	return sendEvent(alice, "m.room.message", []byte(fmt.Sprintf(`{"body":%q}`, body)))
}

// newRoomsIn commits a new room in each of the shards.
func newRoomsIn(t *testing.T, l *lane, s *memoryStore, shards ...int) []id.RoomID {
	t.Helper()
	rooms := make([]id.RoomID, len(shards))
	for i, shard := range shards {
		req := newRoomRequest(t, -100-i)
		create, err := event.Parse(event.DefaultVersion, req.Create)
		require.NoError(t, err)
		var protos []event.Proto
		for _, e := range req.Events {
			protos = append(protos, event.Proto{Sender: alice, Type: e.Type, StateKey: &e.StateKey, Content: e.Content})
		}
		rooms[i] = create.RoomID()
		created := queueIn(t, l, shard, rooms[i], newRoomDecider(create, protos))
		<-s.began
		s.proceed <- struct{}{}
		require.NoError(t, (<-created).err)
	}
	return rooms
}

// A shard's epoch was raised while the collecting block held events of it: they are built again. Rooms of other shards,
// of which the block in flight holds events too, must not be read before those are there.
func TestOutdatedBlockIsBuiltAgainOnlyAfterTheOneInFlight(t *testing.T) {
	t.Parallel()
	s, leases := &memoryStore{}, &raised{epochs: map[int]int64{}}
	l := startLaneWith(t, s, leases)
	rooms := newRoomsIn(t, l, s, 1, 1, 2)
	one, another, bystander := rooms[0], rooms[1], rooms[2]

	answers := []<-chan answer{queueIn(t, l, 2, bystander, aMessage("in flight"))}
	<-s.began
	answers = append(answers, queueIn(t, l, 1, one, aMessage("under the old epoch")), queueIn(t, l, 2, bystander, aMessage("next")))
	awaitTurns(t, l)
	leases.raise(1)
	answers = append(answers, queueIn(t, l, 1, another, aMessage("under the new epoch")))
	for range 20 { // long enough for rooms to be read, and built on
		awaitTurns(t, l)
	}
	s.proceed <- struct{}{}
	require.NoError(t, (<-answers[0]).err)
	for len(answers) > 1 { // nothing else comes that would wake the lane
		select {
		case <-s.began:
			s.proceed <- struct{}{}
		case got := <-answers[1]:
			require.NoError(t, got.err)
			answers = answers[1:]
		case <-time.After(soon):
			require.Fail(t, "a write waits for ever")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, room := range rooms {
		events := s.events[room]
		for i, ev := range events[1:] {
			require.Equal(t, []id.EventID{events[i].ID()}, ev.PrevEvents(), "the room has forked")
		}
	}
}

// The loop marks rooms whose shard was lost while the committer reads the block: a block has the epochs that it was built
// under.
func TestEventsCarryTheEpochOfTheirBlock(t *testing.T) {
	t.Parallel()
	s := &memoryStore{}
	l := startLane(t, s)
	room, created := queueNewRoom(t, l)
	b := <-s.began
	l.orders.give(order{kind: lostLease, shard: 0})
	awaitTurns(t, l)
	require.Zero(t, b.rooms[room].epoch)
	require.Equal(t, []int64{1, 1, 1, 1}, columnsOf(b).events.epoch)
	s.proceed <- struct{}{}
	require.NoError(t, (<-created).err)
}
