package sync

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/bus/redistest"
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
				b, err = bus.Open(bus.Options{URI: bus.At(redistest.New(t)), Prefix: "test:"})
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
	var drawn int64 // by a worker that is ahead
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT nextval('stream_seq')`).Scan(&drawn))
	ahead := position.BlockEnd(drawn)
	require.Greater(t, ahead, p)
	c.since = ahead.SyncToken()
	code, a := c.request(t.Context(), time.Millisecond, nil)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, ahead.SyncToken(), a.NextBatch)

	result := c.poll(nil)
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
