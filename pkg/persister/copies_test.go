package persister

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
)

// A room that is always in some block is copied too, but not before that block has committed.
func TestOnlyWhatIsCommittedIsCopied(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]error{"committed": nil, "failed": &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "22021"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &memoryStore{}
			l := startLane(t, s)
			rooms := newRoomsIn(t, l, s, 1, 1, 2)
			s.mu.Lock()
			s.fail = func(*block) error { return fail }
			s.mu.Unlock()
			queueIn(t, l, 1, rooms[0], aMessage("in flight"))
			<-s.began
			queueIn(t, l, 1, rooms[0], aMessage("next"))
			awaitTurns(t, l)
			out := newOutgoing()
			l.orders.give(order{kind: copyOut, shard: 1, out: out})
			awaitTurns(t, l)
			idle := <-out.ready
			require.Equal(t, rooms[1], idle.room)
			require.NotZero(t, idle.position)
			require.Empty(t, out.ready, "copied before it is committed")
			s.proceed <- struct{}{}
			if fail == nil {
				next := <-s.began
				require.Empty(t, out.ready, "the copy has the event that is in flight now")
				s.proceed <- struct{}{}
				c := <-out.ready
				require.Equal(t, rooms[0], c.room)
				require.Equal(t, next.entries[0].ev.ID(), c.head.event)
				require.Equal(t, int64(next.position(0)), c.position)
				require.Len(t, c.state, 4)
			}
			_, more := <-out.ready
			require.False(t, more)
		})
	}
}

// A copy is sent while the room goes on, whose state changes in its place.
func TestACopyIsOfItsMoment(t *testing.T) {
	t.Parallel()
	s := &memoryStore{}
	l := startLane(t, s)
	room := newRoomsIn(t, l, s, 1)[0]
	out := newOutgoing()
	l.orders.give(order{kind: copyOut, shard: 1, out: out})
	copied := <-out.ready
	was := copied.state.at("m.room.member", string(alice))
	require.NotNil(t, was)
	changed := queueIn(t, l, 1, room, setState(alice, "m.room.member", string(alice), []byte(`{"displayname":"Another","membership":"join"}`)))
	<-s.began
	s.proceed <- struct{}{}
	require.NoError(t, (<-changed).err)
	require.Same(t, was, copied.state.at("m.room.member", string(alice)))
}

func TestKeptCopiesAreBounded(t *testing.T) {
	t.Parallel()
	c, now := newCopies(newMeter(nil, nil).copies), time.Now()
	for i := range 100 {
		c.put(i%4, &roomCopy{room: id.RoomID(fmt.Sprint(i)), bytes: maxKeptCopies / 50}, now)
	}
	require.Equal(t, maxKeptCopies/50*50, c.bytes)
	require.InDelta(t, 50, count(t, c.meter.ignored), 0, "what finds no room is counted")
	c.put(0, &roomCopy{room: "0", bytes: 1}, now)
	require.Less(t, c.bytes, maxKeptCopies-1000, "another copy of a room takes the place of the first")
	require.NotEmpty(t, c.take(1))
	require.Empty(t, c.take(1))
	c.put(7, &roomCopy{room: "new", bytes: 1}, now.Add(keepCopies+1))
	require.Equal(t, 1, c.bytes, "copies of shards that do not come are dropped")
	before := count(t, c.meter.ignored)
	c.clear()
	require.Zero(t, c.bytes)
	require.InDelta(t, before+1, count(t, c.meter.ignored), 0)
	require.Empty(t, c.take(7))
}

// One room's rows cannot be read: its writes say so, and all others go on.
func TestARoomThatCannotBeReadFailsAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		status int
	}{
		"corrupt":  {&pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "XX001"}, 500},
		"too slow": {&pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "57014"}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, leases := &memoryStore{}, &raised{epochs: map[int]int64{}}
			l := startLaneWith(t, s, leases)
			rooms := newRoomsIn(t, l, s, 1, 1, 1, 1, 1)
			leases.raise(1) // all are to be loaded again
			reading := make(chan struct{})
			s.mu.Lock()
			s.unreadable = func(r *room) error {
				<-reading
				if r.id == rooms[2] {
					return tt.err
				}
				return nil
			}
			s.mu.Unlock()
			var answers []<-chan answer
			for _, room := range rooms {
				answers = append(answers, queueIn(t, l, 1, room, aMessage("x")))
			}
			awaitTurns(t, l)
			close(reading)
			go s.proceedAlways()
			for i, a := range answers {
				select {
				case got := <-a:
					if i == 2 {
						require.Equal(t, tt.status, status(got.err))
					} else {
						require.NoError(t, got.err)
					}
				case <-time.After(soon):
					require.Fail(t, "a write waits for a room that cannot be read")
				}
			}
		})
	}
}
