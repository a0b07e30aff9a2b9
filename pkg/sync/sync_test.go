package sync

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
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

func TestInitialSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := state(alice, "m.room.name", "", `{"name":"one"}`)
	r := w.newRoom(name, member(bob, "join"))
	var sent []*draft
	for i := range 12 {
		m := message(bob, fmt.Sprint(i))
		r.write(m)
		sent = append(sent, m)
	}
	other := w.newRoom()
	p := other.write(message(alice, "nobody else sees this"))

	a := w.client(bob).syncAt(p)
	require.Equal(t, p.SyncToken(), a.NextBatch)
	require.Len(t, a.Rooms.Join, 1)
	got := a.Rooms.Join[r.id]
	require.Equal(t, ids(sent[2:]...), got.Timeline.ids())
	require.True(t, got.Timeline.Limited)
	require.Equal(t, (sent[2].position - 1).PageToken(), got.Timeline.PrevBatch)
	require.Equal(t, []string{"m.room.create", "m.room.member " + string(alice), "m.room.member " + string(bob), "m.room.name"}, got.State.types())
	require.Equal(t, 2, got.Summary.Joined)
	require.Empty(t, got.Summary.Heroes, "the room has a name")
	require.Equal(t, "m.push_rules", a.AccountData.Events[0].Type)
	require.Empty(t, got.Timeline.Events[0].RoomID)

	a = w.client(alice).sync()
	require.Len(t, a.Rooms.Join, 2)
	require.False(t, a.Rooms.Join[other.id].Timeline.Limited)
	require.Len(t, a.Rooms.Join[other.id].Timeline.Events, 3)
	require.Empty(t, a.Rooms.Join[other.id].State.Events)
	require.Empty(t, w.client(carol).sync().Rooms.Join)
}

func TestStateIsThatAtTheStartOfTheTimeline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := state(alice, "m.room.name", "", `{"name":"before"}`)
	r := w.newRoom(before, member(bob, "join"))
	p := r.write(state(alice, "m.room.topic", "", `{"topic":"old"}`))
	c := w.client(bob)
	c.filter = `{"room":{"timeline":{"limit":2}}}`
	a := c.syncAt(p)
	require.Equal(t, []string{"m.room.create", "m.room.member " + string(alice), "m.room.name"}, a.Rooms.Join[r.id].State.types())

	// Two changes of the name, the second within the timeline: the state has the first.
	first, second := state(alice, "m.room.name", "", `{"name":"first"}`), state(alice, "m.room.name", "", `{"name":"second"}`)
	r.write(first)
	p = r.write(message(alice, "a"), second)
	a = c.syncAt(p)
	got := a.Rooms.Join[r.id]
	require.True(t, got.Timeline.Limited)
	require.Equal(t, ids(first), got.State.ids())
	require.Equal(t, second.eventID, got.Timeline.Events[1].EventID)
	require.JSONEq(t, `{"name":"first"}`, string(got.Timeline.Events[1].Unsigned.PrevContent))
	require.Equal(t, first.eventID, got.Timeline.Events[1].Unsigned.ReplacesState)

	// A client that was away for longer than a run reaches: the values at the start of the timeline all the same.
	last := state(alice, "m.room.topic", "", `{"topic":"new"}`)
	r.write(state(alice, "m.room.topic", "", `{"topic":"newish"}`))
	r.write(last)
	for i := range runMax + 50 {
		p = r.write(message(alice, fmt.Sprint(i)))
	}
	stale := *c
	for _, read := range []*client{c, {w: w, user: bob, device: "OTHER", since: stale.since, filter: c.filter}} {
		got = read.syncAt(p).Rooms.Join[r.id]
		require.Equal(t, ids(last), got.State.ids())
		require.Len(t, got.Timeline.Events, 2)
		require.True(t, got.Timeline.Limited)
	}
}

func TestFilteredStateIsNotLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom()
	c := w.client(alice)
	c.filter = `{"room":{"timeline":{"types":["m.room.mess*"]}}}`
	c.syncAt(r.write(message(alice, "x")))
	topic, m := state(alice, "m.room.topic", "", `{"topic":"t"}`), message(alice, "y")
	r.write(topic)
	a := c.syncAt(r.write(m))
	require.Equal(t, ids(m), a.Rooms.Join[r.id].Timeline.ids())
	require.Equal(t, ids(topic), a.Rooms.Join[r.id].State.ids())
	topic = state(alice, "m.room.topic", "", `{"topic":"u"}`)
	m = message(alice, "z")
	r.write(m)
	a = c.syncAt(r.write(topic))
	require.Equal(t, ids(m), a.Rooms.Join[r.id].Timeline.ids())
	require.Equal(t, ids(topic), a.Rooms.Join[r.id].State.ids())
}

func TestLongPollWakes(t *testing.T) {
	t.Parallel()
	for name, mute := range map[string]bool{"within the process": false, "bodies are lost": true, "over Redis": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bus.Local()
			if name == "over Redis" {
				var err error
				b, err = bus.Open(redistest.New(t), "test:")
				require.NoError(t, err)
				t.Cleanup(func() { _ = b.Close() })
			}
			w := newWorldOn(t, b)
			r := w.newRoom(member(bob, "join"))
			quiet := w.newRoom()
			c := w.client(bob)
			c.syncAt(quiet.write(message(alice, "before")))
			w.mute = mute
			result := c.poll(nil)
			quiet.write(message(alice, "not bob's room"))
			m := message(alice, "hello")
			m.device, m.txn = "PHONE", "t1"
			p := r.write(m)
			a := receive(t, result)
			require.Equal(t, http.StatusOK, a.code)
			require.Len(t, a.Rooms.Join, 1)
			require.Equal(t, ids(m), a.Rooms.Join[r.id].Timeline.ids())
			require.Empty(t, a.Rooms.Join[r.id].State.Events)
			require.False(t, a.Rooms.Join[r.id].Timeline.Limited)
			require.Empty(t, a.Rooms.Join[r.id].Timeline.Events[0].Unsigned.TransactionID)
			require.GreaterOrEqual(t, a.NextBatch, p.SyncToken())

			own := w.client(alice)
			own.device = "PHONE"
			got := own.syncAt(p).Rooms.Join[r.id].Timeline.Events
			require.Equal(t, "t1", got[len(got)-1].Unsigned.TransactionID)

			// Being invited wakes too.
			c.since = a.NextBatch
			result = c.poll(nil)
			quiet.write(state(alice, typeMember, string(bob), `{"membership":"invite"}`))
			a = receive(t, result)
			require.Contains(t, a.Rooms.Invite, quiet.id)
			require.Equal(t, []string{"m.room.create", "m.room.member " + string(bob)}, a.Rooms.Invite[quiet.id].State.types())
		})
	}
}

func TestTimeoutAnswersWithTheNewestToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom()
	c := w.client(bob)
	c.sync()
	p := r.write(message(alice, "x"))
	w.settle(p)
	code, a := c.request(t.Context(), time.Millisecond, nil)
	require.Equal(t, http.StatusOK, code)
	require.Empty(t, a.Rooms.Join)
	require.Equal(t, p.SyncToken(), a.NextBatch)
}

func TestNewlyJoinedRoomComesWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	early := message(alice, "before")
	r := w.newRoom(early)
	c := w.client(bob)
	c.syncAt(r.write(message(alice, "more")))
	join := member(bob, "join")
	p := r.write(join)
	got := c.syncAt(p).Rooms.Join[r.id]
	require.Len(t, got.Timeline.Events, 5, "history that is shared is shown")
	require.Equal(t, join.eventID, got.Timeline.Events[4].EventID)
	require.Equal(t, 2, got.Summary.Joined)
	require.Equal(t, []id.UserID{alice}, got.Summary.Heroes)

	// A change of profile is no join.
	again := state(bob, typeMember, string(bob), `{"membership":"join","displayname":"Bob"}`)
	got = c.syncAt(r.write(again)).Rooms.Join[r.id]
	require.Equal(t, ids(again), got.Timeline.ids())
	require.Empty(t, got.State.Events)
}

func TestHistoryVisibility(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string][]string{
		"joined": {"3"}, "invited": {"2", "3"}, "shared": {"1", "2", "3"}, "world_readable": {"1", "2", "3"},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.newRoom(state(alice, typeVisibility, "", `{"history_visibility":"`+rule+`"}`), message(alice, "1"))
			r.write(state(alice, typeMember, string(bob), `{"membership":"invite"}`), message(alice, "2"))
			p := r.write(member(bob, "join"), message(alice, "3"))
			for _, c := range []*client{w.client(bob), {w: w, user: bob, device: "B", since: "s0"}} {
				got := c.syncAt(p).Rooms.Join[r.id]
				var bodies []string
				for _, e := range got.Timeline.Events {
					if e.Type == "m.room.message" {
						bodies = append(bodies, string(e.Content[9]))
					}
				}
				require.Equal(t, want, bodies)
			}
		})
	}
}

func TestKickedUserReceivesNothingLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom(member(bob, "join"))
	c := w.client(bob)
	c.syncAt(r.write(message(alice, "x")))
	result := c.poll(nil)
	last := message(alice, "the last")
	kick := state(alice, typeMember, string(bob), `{"membership":"leave"}`)
	r.write(last, kick, message(alice, "about bob"), state(alice, "m.room.name", "", `{"name":"secret"}`))
	a := receive(t, result)
	require.Empty(t, a.Rooms.Join)
	require.Equal(t, ids(last, kick), a.Rooms.Leave[r.id].Timeline.ids())
	require.Empty(t, a.Rooms.Leave[r.id].State.Events)

	c.since = a.NextBatch
	p := r.write(message(alice, "more about bob"))
	later := c.syncAt(p)
	require.Empty(t, later.Rooms.Join)
	require.Empty(t, later.Rooms.Leave)

	fresh := w.client(bob)
	require.Empty(t, fresh.sync().Rooms.Leave)
	fresh = w.client(bob)
	fresh.filter = `{"room":{"include_leave":true}}`
	got := fresh.sync().Rooms.Leave[r.id]
	require.Equal(t, kick.eventID, got.Timeline.Events[len(got.Timeline.Events)-1].EventID)
	require.NotContains(t, got.State.types(), "m.room.name")

	// Back again: all state, and no event twice.
	back := member(bob, "join")
	p = r.write(back)
	again := c.syncAt(p).Rooms.Join[r.id]
	require.Contains(t, again.State.types(), "m.room.name")
	require.Equal(t, ids(back), again.Timeline.ids())
	require.True(t, again.Timeline.Limited)
}

func TestRefusedInviteShowsNothingOfTheRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom(state(alice, "m.room.name", "", `{"name":"secret"}`), message(alice, "secret"))
	c := w.client(bob)
	p := r.write(state(alice, typeMember, string(bob), `{"membership":"invite"}`))
	a := c.syncAt(p)
	require.Equal(t, []string{"m.room.create", "m.room.member " + string(bob), "m.room.name"}, a.Rooms.Invite[r.id].State.types())
	require.Empty(t, a.Rooms.Invite[r.id].State.Events[0].EventID, "stripped")
	r.write(message(alice, "more secrets"))
	refusal := member(bob, "leave")
	a = c.syncAt(r.write(refusal))
	require.Equal(t, ids(refusal), a.Rooms.Leave[r.id].Timeline.ids())
	require.Empty(t, a.Rooms.Leave[r.id].State.Events)
	require.Empty(t, a.Rooms.Invite)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom(member(bob, "join"), member(carol, "join"))
	image := &draft{sender: bob, typ: "m.room.message", content: `{"body":"i","msgtype":"m.image","url":"mxc://a/b"}`}
	text := message(alice, "t")
	p := r.write(image, text)
	w.settle(p)
	sync := func(filter string) answer {
		c := w.client(alice)
		c.filter = filter
		return c.sync()
	}
	require.Empty(t, sync(`{"room":{"rooms":[]}}`).Rooms.Join)
	require.Empty(t, sync(`{"room":{"not_rooms":["`+string(r.id)+`"]}}`).Rooms.Join)
	require.Equal(t, ids(image), sync(`{"room":{"timeline":{"contains_url":true}}}`).Rooms.Join[r.id].Timeline.ids())
	require.Equal(t, ids(image), sync(`{"room":{"timeline":{"types":["*.message"],"not_senders":["` + string(alice) + `"]}}}`).Rooms.Join[r.id].Timeline.ids())
	require.Empty(t, sync(`{"room":{"timeline":{"not_types":["*"]}}}`).Rooms.Join[r.id].Timeline.Events)
	require.Empty(t, sync(`{"room":{"timeline":{"limit":0}}}`).Rooms.Join[r.id].Timeline.Events)
	require.Len(t, sync(`{"room":{"timeline":{"limit":0}}}`).Rooms.Join[r.id].State.Events, 4)
	require.Equal(t, []string{"m.room.create", "m.room.member " + string(alice), "m.room.member " + string(bob)},
		sync(`{"room":{"timeline":{"limit":2},"state":{"lazy_load_members":true}}}`).Rooms.Join[r.id].State.types())
	require.Empty(t, sync(`{"account_data":{"not_types":["*"]}}`).AccountData.Events)
	got := sync(`{"event_fields":["content.body","type"]}`).Rooms.Join[r.id].Timeline.Events
	require.JSONEq(t, `{"body":"t"}`, string(got[len(got)-1].Content))
	require.Empty(t, got[len(got)-1].Sender)

	var number int64
	require.NoError(t, w.pool.QueryRow(t.Context(), `INSERT INTO filter (user_id, hash, json) VALUES ($1, '\x00', $2) RETURNING filter_id`,
		string(alice), []byte(`{"room":{"timeline":{"limit":1}}}`)).Scan(&number))
	require.Equal(t, ids(text), sync(fmt.Sprint(number)).Rooms.Join[r.id].Timeline.ids())
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, params := range map[string]url.Values{
		"since": {"since": {"s12x"}}, "since: the form with": {"since": {"s12~3"}}, "full_state": {"full_state": {"yes"}}, "timeout": {"timeout": {"-1"}},
		"set_presence": {"set_presence": {"asleep"}}, "filter is not": {"filter": {"{"}}, "filter is neither": {"filter": {"x"}},
		"filter: there is no": {"filter": {"99"}}, "filter: event_format": {"filter": {`{"event_format":"federation"}`}},
		"filter: room.timeline.limit": {"filter": {`{"room":{"timeline":{"limit":-1}}}`}},
	} {
		code, a := w.client(alice).request(t.Context(), 0, params)
		require.Equal(t, http.StatusBadRequest, code, name)
		require.Equal(t, "M_INVALID_PARAM", a.Code)
		require.Contains(t, a.Error, name[:4])
	}
	rec := httptest.NewRecorder()
	w.sync.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/_matrix/client/r0/sync", nil))
	require.Equal(t, http.StatusMethodNotAllowed, rec.Code)
	nobody := w.client("")
	code, a := nobody.request(t.Context(), 0, nil)
	require.Equal(t, http.StatusUnauthorized, code)
	require.Equal(t, "M_MISSING_TOKEN", a.Code)
}

func TestTokenAheadOfTheHorizonIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom()
	c := w.client(alice)
	p := r.write(message(alice, "x"))
	c.syncAt(p)
	ahead := position.BlockEnd(p.Block() + 1)
	c.since = ahead.SyncToken()
	code, a := c.request(t.Context(), time.Millisecond, nil)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, ahead.SyncToken(), a.NextBatch)

	result := c.poll(nil)
	require.Equal(t, ahead, r.write(message(alice, "seen elsewhere")))
	m := message(alice, "new")
	r.write(m)
	require.Equal(t, ids(m), receive(t, result).Rooms.Join[r.id].Timeline.ids())
}

func TestPollsEndEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom(member(bob, "join"))
	c, other := w.client(bob), w.client(alice)
	c.syncAt(r.write(message(alice, "x")))
	other.sync()

	older := c.poll(nil)
	newer := make(chan polled, 1)
	go func() {
		code, a := c.request(context.WithoutCancel(t.Context()), 20*time.Second, nil)
		newer <- polled{code, a}
	}()
	a := receive(t, older)
	require.Equal(t, http.StatusOK, a.code)
	require.Equal(t, c.since, a.NextBatch, "a newer request of the device ends the older")

	w.revoke(c.token)
	a = receive(t, newer)
	require.Equal(t, http.StatusUnauthorized, a.code)
	require.Equal(t, "M_UNKNOWN_TOKEN", a.Code)
	code, _ := c.request(t.Context(), 0, nil)
	require.Equal(t, http.StatusUnauthorized, code, "one that was on its way")

	result := other.poll(nil)
	w.stop()
	a = receive(t, result)
	require.Equal(t, http.StatusOK, a.code)
	require.Empty(t, a.Rooms.Join)
	require.Equal(t, other.since, a.NextBatch)
}

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

func TestFullStateAnswersAtOnceWithAllState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom()
	c := w.client(alice)
	c.syncAt(r.write(message(alice, "x")))
	_, a := c.request(t.Context(), 20*time.Second, url.Values{"full_state": {"true"}})
	require.Equal(t, []string{"m.room.create", "m.room.member " + string(alice)}, a.Rooms.Join[r.id].State.types())
	require.Empty(t, a.Rooms.Join[r.id].Timeline.Events)
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
	require.NoError(t, w.bus.PublishRoom(t.Context(), body))
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
			b, err := bus.Open(redistest.New(t), "test:")
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
			require.Eventually(t, w.sync.connected.Load, 10*time.Second, time.Millisecond)
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
			}, 10*time.Second, time.Millisecond)
		})
	}
}
