package sync

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/bus/redistest"
	"github.com/myelin-hs/myelin/pkg/horizon"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

// What is in memory follows the table, whatever the bus does.

// The union of incremental syncs is the table, without duplicates and in order, whatever comes over the bus.
func TestIncrementalSyncsAddUpToTheTable(t *testing.T) {
	t.Parallel()
	const rooms, each = 4, 60
	for _, tt := range []struct {
		name string
		lost int // of 4 blocks' bodies
	}{{"all bodies come", 0}, {"some are lost", 1}, {"all are lost", 4}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *Config) { c.MaxRooms = rooms - 1 }) // and rooms are evicted meanwhile
			all := make([]*testRoom, rooms)
			var p position.Position
			for i := range all {
				all[i] = w.newRoom(member(bob, "join"))
				p = all[i].write(message(alice, "start"))
			}
			w.settle(p)
			readers := []*client{w.client(alice), w.client(bob), {w: w, user: bob, device: "SECOND"}}
			for _, c := range readers {
				c.filter = `{"room":{"timeline":{"limit":100}}}`
				c.sync()
			}

			var wg stdsync.WaitGroup
			written := make([][]id.EventID, rooms)
			lossy := *w // the same world, but for the bodies
			lossy.mute = true
			for i, r := range all {
				random := rand.New(rand.NewPCG(uint64(i), uint64(tt.lost)))
				wg.Go(func() {
					for n := range each {
						d := message(alice, fmt.Sprint(n))
						if random.IntN(5) == 0 {
							d = state(alice, "m.room.topic", "", fmt.Sprintf(`{"topic":"%d"}`, n))
						}
						writer := r
						r.w = w
						if random.IntN(4) < tt.lost {
							r.w = &lossy
						}
						writer.write(d)
						written[i] = append(written[i], d.eventID)
					}
				})
			}
			finished := make(chan struct{})
			go func() { wg.Wait(); close(finished) }()

			var reading stdsync.WaitGroup
			seen := make([]map[id.RoomID][]id.EventID, len(readers))
			for i, c := range readers {
				seen[i] = map[id.RoomID][]id.EventID{}
				reading.Go(func() {
					total := 0
					for total < rooms*each {
						code, a := c.request(context.WithoutCancel(t.Context()), 5*time.Second, nil)
						if code != http.StatusOK || len(a.Rooms.Join) == 0 {
							t.Errorf("%d %+v after %d events", code, a, total)
							return
						}
						c.since = a.NextBatch
						for roomID, r := range a.Rooms.Join {
							if r.Timeline.Limited {
								t.Errorf("limited")
							}
							seen[i][roomID] = append(seen[i][roomID], r.Timeline.ids()...)
							total += len(r.Timeline.Events)
						}
					}
				})
			}
			reading.Wait()
			<-finished
			for i := range readers {
				for j, r := range all {
					require.Equal(t, written[j], seen[i][r.id])
				}
			}
		})
	}
}

func TestMembershipsAddUpWhateverTheBusLoses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom()
	c := w.client(bob)
	c.sync()
	random := rand.New(rand.NewPCG(1, 2))
	inside, want := false, []id.EventID{}
	got := []id.EventID{}
	for i := range 40 {
		w.mute = random.IntN(2) == 0
		d := message(alice, fmt.Sprint(i))
		if random.IntN(3) == 0 {
			inside = !inside
			d = member(bob, map[bool]string{true: "join", false: "leave"}[inside])
		}
		p := r.write(d)
		if inside || d.typ == typeMember {
			want = append(want, d.eventID)
		}
		a := c.syncAt(p)
		got = append(got, a.Rooms.Join[r.id].Timeline.ids()...)
		got = append(got, a.Rooms.Leave[r.id].Timeline.ids()...)
	}
	// Before the first join there was shared history, which came with it.
	first := slices.Index(got, want[0])
	require.GreaterOrEqual(t, first, 0)
	require.Equal(t, want, got[first:])
}

func TestRoomsAndUsersAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.MaxRooms = 2; c.IdleUser = time.Nanosecond })
	var p position.Position
	for range 5 {
		p = w.newRoom(member(bob, "join")).write(message(alice, "x"))
	}
	c := w.client(bob)
	require.Len(t, c.syncAt(p).Rooms.Join, 5)
	require.Len(t, w.sync.rooms.all(), 2)
	require.Len(t, w.sync.users.watchers, 5)
	w.sync.users.expire(0)
	users, shards := w.sync.users.all()
	require.Empty(t, users)
	require.Empty(t, shards)
	require.Empty(t, w.sync.users.watchers)
	require.Empty(t, c.sync().Rooms.Join)
}

// I10: what a zombie publishes is not served. Its block was never committed, so P never covers it.
func TestBodyOfABlockThatWasNotCommittedIsNeverServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom()
	c := w.client(alice)
	a := c.syncAt(r.write(message(alice, "x")))
	require.NotEmpty(t, a.Rooms.Join)

	var zombie int64
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT nextval('stream_seq')`).Scan(&zombie))
	ghost := newEntry(t, position.New(zombie, 0), alice, "m.room.message", nil, `{"body":"ghost"}`)
	body := bus.RoomBlock{Block: zombie, RoomID: string(r.id), Events: []bus.RoomEvent{{
		Position: int64(ghost.position), EventID: string(ghost.ID()), JSON: ghost.JSON(),
	}}}
	require.NoError(t, w.bus.PublishBlock(t.Context(), []bus.RoomBlock{body}, nil, true))
	m := message(alice, "real")
	got := c.syncAt(r.write(m)).Rooms.Join[r.id]
	require.Equal(t, ids(m), got.Timeline.ids())
	w.sync.hearRoom(body) // late
	m = message(alice, "real too")
	got = c.syncAt(r.write(m)).Rooms.Join[r.id]
	require.Equal(t, ids(m), got.Timeline.ids())
}

// While a block is open, events of later blocks are not served, though they are committed and their bodies are here.
func TestNothingAbovePIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom()
	c := w.client(alice)
	c.syncAt(r.write(message(alice, "x")))
	tx, err := w.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT block_begin(0, 'room', '{}', '{}', 1, '{}', '{}', '{}')`)
	require.NoError(t, err)
	m := message(alice, "above P")
	p := r.write(m)
	require.Empty(t, c.sync().Rooms.Join)
	fresh := w.client(alice)
	fresh.device = "NEW"
	w.sync.rooms.get(r.id).reset() // and also when the room is read anew
	got := fresh.sync().Rooms.Join[r.id].Timeline
	require.NotContains(t, got.ids(), m.eventID)
	require.Len(t, got.Events, 3)
	require.NoError(t, tx.Rollback(t.Context()))
	w.announcer.Poke()
	require.Equal(t, ids(m), c.syncAt(p).Rooms.Join[r.id].Timeline.ids())
}

func TestAnotherGenerationDropsWhatWasInMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom(member(bob, "join"))
	c := w.client(bob)
	p := r.write(message(alice, "x"))
	c.syncAt(p)
	at, _ := w.sync.at()
	w.sync.advance(horizon.Advance{Generation: 2, Prev: at, P: at, Reset: true})
	require.Nil(t, w.sync.rooms.get(r.id).history)
	m := message(alice, "y")
	got := c.syncAt(r.write(m)).Rooms.Join[r.id]
	require.Equal(t, ids(m), got.Timeline.ids())
}

// Without a request nobody reads Postgres, so what a model learns then came over the bus.
func TestModelsAreFedByTheBus(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) *bus.Bus{
		"within the process": func(*testing.T) *bus.Bus { return bus.Local() },
		"over Redis": func(t *testing.T) *bus.Bus {
			b, err := bus.Open(bus.Options{URI: bus.At(redistest.New(t)), Prefix: "test:"})
			require.NoError(t, err)
			t.Cleanup(func() { _ = b.Close() })
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOn(t, open(t))
			r := w.newRoom(member(bob, "join"))
			c := w.client(bob)
			c.syncAt(r.write(message(alice, "x")))
			require.Eventually(t, w.sync.connected.Load, time.Minute, time.Millisecond)
			c.syncAt(r.write(member(bob, "join"))) // brings up what was lost before the subscription took effect
			last := member(bob, "leave")
			r.write(message(alice, "y"), last)
			u, room := w.sync.users.byID[bob], w.sync.rooms.get(r.id)
			require.Eventually(t, func() bool {
				u.mu.Lock()
				defer u.mu.Unlock()
				room.mu.Lock()
				defer room.mu.Unlock()
				return u.memberships[r.id].membership == "leave" && room.history.upto == last.position
			}, time.Minute, time.Millisecond)
		})
	}
}
