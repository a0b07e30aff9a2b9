package clientapi

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/store/storetest"
)

func roomPath(r *storetest.Room, rest string) string {
	return v3("/rooms/" + url.PathEscape(string(r.ID)) + rest)
}

func TestStateOfARoom(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	r := storetest.NewRoom(t, s.db, alice)
	r.Member(alice, bob, "invite")
	r.State(bob, "m.room.member", string(bob), object{"membership": "join", "displayname": "Bob", "avatar_url": 7})
	r.State(alice, "m.room.name", "", object{"name": "before"})
	r.State(alice, "org.example", "a/b c", object{"k": 1})

	require.Equal(t, object{"name": "before"}, ok[object](s, bob, "GET", roomPath(r, "/state/m.room.name"), ""))
	require.Equal(t, object{"name": "before"}, ok[object](s, bob, "GET", roomPath(r, "/state/m.room.name/"), ""))
	require.Equal(t, object{"k": 1.0}, ok[object](s, bob, "GET", roomPath(r, "/state/org.example/a/b%20c"), ""))
	require.Equal(t, object{"k": 1.0}, ok[object](s, bob, "GET", roomPath(r, "/state/org.example/a%2Fb%20c"), ""))
	name := ok[clientEventJSON](s, bob, "GET", roomPath(r, "/state/m.room.name?format=event"), "")
	require.Equal(t, r.ID, name.RoomID)
	require.Equal(t, alice, name.Sender)
	s.refused(bob, "GET", roomPath(r, "/state/m.room.topic"), "", 404, mxerr.CodeNotFound)
	s.refused(bob, "GET", roomPath(r, "/state/m.room.name/x"), "", 404, mxerr.CodeNotFound)
	s.refused(bob, "GET", roomPath(r, "/state/m.room.name/%00"), "", 404, mxerr.CodeNotFound)
	s.refused(bob, "GET", roomPath(r, "/state/m.room.name?format=x"), "", 400, mxerr.CodeInvalidParam)
	require.Equal(t, object{"joined": object{
		"@alice:test.example": object{}, "@bob:test.example": object{"display_name": "Bob"},
	}}, ok[object](s, bob, "GET", roomPath(r, "/joined_members"), ""))
	require.Equal(t, object{"joined_rooms": []any{string(r.ID)}}, ok[object](s, bob, "GET", v3("/joined_rooms"), ""))

	// bob is kicked; what happens then is not for him.
	r.Member(alice, bob, "leave")
	r.State(alice, "m.room.name", "", object{"name": "after"})
	r.Member(alice, carol, "invite")
	require.Equal(t, object{"name": "before"}, ok[object](s, bob, "GET", roomPath(r, "/state/m.room.name"), ""))
	require.Equal(t, object{"name": "after"}, ok[object](s, alice, "GET", roomPath(r, "/state/m.room.name"), ""))
	require.Equal(t, object{"joined_rooms": []any{}}, ok[object](s, bob, "GET", v3("/joined_rooms"), ""))
	s.refused(bob, "GET", roomPath(r, "/joined_members"), "", 403, mxerr.CodeForbidden)
	whole := ok[[]clientEventJSON](s, bob, "GET", roomPath(r, "/state"), "")
	for _, e := range whole {
		require.NotEqual(t, "after", e.Content["name"])
	}
	require.Len(t, whole, 5, "create, two members, name, org.example")
	require.Len(t, ok[[]clientEventJSON](s, alice, "GET", roomPath(r, "/state"), ""), 6)
}

func TestRoomsAreForMembers(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	r := storetest.NewRoom(t, s.db, alice)
	e := r.Text(alice, "secret")
	r.Member(alice, bob, "invite") // invited is not in
	for _, user := range []id.UserID{bob, carol} {
		for _, path := range []string{"/state", "/state/m.room.create", "/members", "/joined_members", "/messages?dir=b"} {
			s.refused(user, "GET", roomPath(r, path), "", 403, mxerr.CodeForbidden)
			s.refused(user, "GET", v3("/rooms/!none:test.example"+path), "", 403, mxerr.CodeForbidden)
			s.refused(user, "GET", v3("/rooms/none"+path), "", 400, mxerr.CodeInvalidParam)
		}
		for _, path := range []string{"/event/", "/context/"} {
			s.refused(user, "GET", roomPath(r, path+string(e.ID())), "", 404, mxerr.CodeNotFound)
			s.refused(user, "GET", roomPath(r, path+"x"), "", 400, mxerr.CodeInvalidParam)
		}
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	r := storetest.NewRoom(t, s.db, alice)
	joined := r.Member(bob, bob, "join")
	r.Member(bob, bob, "leave")
	r.Member(alice, carol, "invite")
	members := func(query string) map[string]string {
		got := map[string]string{}
		for _, e := range ok[struct{ Chunk []clientEventJSON }](s, alice, "GET", roomPath(r, "/members"+query), "").Chunk {
			got[id.UserID(*e.StateKey).Localpart()] = e.Content["membership"].(string)
		}
		return got
	}
	require.Equal(t, map[string]string{"alice": "join", "bob": "leave", "carol": "invite"}, members(""))
	require.Equal(t, map[string]string{"alice": "join"}, members("?membership=join"))
	require.Equal(t, map[string]string{"alice": "join", "carol": "invite"}, members("?not_membership=leave"))
	require.Equal(t, map[string]string{"alice": "join", "carol": "invite"}, members("?membership=invite&not_membership=leave"), "or")
	require.Equal(t, map[string]string{"alice": "join", "bob": "join"}, members("?at="+joined.Position.PageToken()))
	s.refused(alice, "GET", roomPath(r, "/members?membership=x"), "", 400, mxerr.CodeInvalidParam)
	s.refused(alice, "GET", roomPath(r, "/members?at=x"), "", 400, mxerr.CodeInvalidParam)
}

type messagesJSON struct {
	Start, End string
	Chunk      []clientEventJSON
	State      []clientEventJSON
}

func TestMessagesPaginate(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	r := storetest.NewRoom(t, s.db, alice)
	want := []id.EventID{}
	for _, e := range ok[messagesJSON](s, alice, "GET", roomPath(r, "/messages?dir=f"), "").Chunk {
		want = append(want, e.EventID)
	}
	require.Len(t, want, 2, "create and join")
	var last storetest.Sent
	for i := range 9 {
		last = r.Text(alice, fmt.Sprint(i))
		want = append(want, last.ID())
	}
	walk := func(dir string) (got []id.EventID) {
		from := ""
		for range 10 {
			m := ok[messagesJSON](s, alice, "GET", roomPath(r, "/messages?limit=4&dir="+dir+from), "")
			got = append(got, eventIDs(m.Chunk)...)
			if m.End == "" {
				return got
			}
			from = "&from=" + m.End
		}
		t.Fatal("the pages do not end")
		return nil
	}
	require.Equal(t, want, walk("f"))
	back := walk("b")
	for i := range want {
		require.Equal(t, want[i], back[len(back)-1-i])
	}

	// A page's start is where it began, and the other way leads back.
	m := ok[messagesJSON](s, alice, "GET", roomPath(r, "/messages?limit=3&dir=b"), "")
	require.Equal(t, last.Position.PageToken(), m.Start)
	again := ok[messagesJSON](s, alice, "GET", roomPath(r, "/messages?dir=f&from="+m.End), "")
	require.Equal(t, want[len(want)-3:], eventIDs(again.Chunk))
	require.Empty(t, again.End)
	between := ok[messagesJSON](s, alice, "GET", roomPath(r, "/messages?dir=b&from="+m.End+"&to="+(last.Position-5*1024).PageToken()), "")
	require.Equal(t, []id.EventID{want[7], want[6]}, eventIDs(between.Chunk), "to is where it stops")
	sync := ok[messagesJSON](s, alice, "GET", roomPath(r, "/messages?dir=b&limit=1&from="+position.BlockEnd(last.Position.Block()).SyncToken()), "")
	require.Equal(t, []id.EventID{last.ID()}, eventIDs(sync.Chunk), "a sync token is good too")

	for _, query := range []string{"?dir=x", "?dir=b&from=x", "?dir=b&to=t1x", "?dir=b&limit=-1", "?dir=b&limit=x", "?dir=b&from=s1~2", "?dir=b&filter=[]"} {
		s.refused(alice, "GET", roomPath(r, "/messages"+query), "", 400, mxerr.CodeInvalidParam)
	}
	s.refused(alice, "GET", roomPath(r, "/messages"), "", 400, mxerr.CodeMissingParam)
	s.refused(alice, "GET", roomPath(r, "/messages?dir=b&filter=%7B"), "", 400, mxerr.CodeNotJSON)
}

func TestMessagesFilter(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	r := storetest.NewRoom(t, s.db, alice)
	r.Member(bob, bob, "join")
	text := r.Text(bob, "text")
	image := r.Send(alice, "m.room.message", object{"url": "mxc://a/b"})
	for range 150 { // more than one scan
		r.Send(alice, "org.example.noise", object{})
	}
	get := func(filter string) messagesJSON {
		return ok[messagesJSON](s, alice, "GET", roomPath(r, "/messages?dir=b&limit=50&filter="+url.QueryEscape(filter)), "")
	}
	require.Equal(t, []id.EventID{image.ID(), text.ID()}, eventIDs(get(`{"types":["m.room.mess*"]}`).Chunk))
	require.Equal(t, []id.EventID{image.ID()}, eventIDs(get(`{"contains_url":true}`).Chunk))
	require.Equal(t, []id.EventID{text.ID()}, eventIDs(get(`{"types":["m.room.message"],"contains_url":false}`).Chunk))
	require.Equal(t, []id.EventID{text.ID()}, eventIDs(get(`{"senders":["@bob:test.example"],"not_types":["m.room.member"]}`).Chunk))
	require.Len(t, get(`{"not_senders":["@alice:test.example"]}`).Chunk, 2)
	require.Empty(t, get(`{"types":[]}`).Chunk)
	require.Empty(t, get(`{"rooms":["!other:test.example"]}`).Chunk)
	require.Empty(t, get(`{"not_rooms":["`+string(r.ID)+`"]}`).Chunk)
	require.Len(t, get(`{"limit":3}`).Chunk, 3)

	lazy := get(`{"types":["m.room.message"],"senders":["@bob:test.example"],"lazy_load_members":true}`)
	require.Len(t, lazy.State, 1)
	require.Equal(t, string(bob), *lazy.State[0].StateKey)
}

// bodies returns what texts the user reads, oldest first, in all of the room's history.
func (s *server) bodies(user id.UserID, r *storetest.Room) string {
	s.t.Helper()
	var got []string
	for _, e := range ok[messagesJSON](s, user, "GET", roomPath(r, "/messages?dir=f&limit=100"), "").Chunk {
		if body, isText := e.Content["body"].(string); isText {
			got = append(got, body)
		}
	}
	return strings.Join(got, " ")
}

func TestHistoryVisibility(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	for rule, want := range map[string]struct{ joined, left, never string }{
		"shared":         {"0 1 2 3 4 5", "0 1 2", ""},
		"nonsense":       {"0 1 2 3 4 5", "0 1 2", ""},
		"invited":        {"1 2 4 5", "1 2", ""},
		"joined":         {"2 5", "2", ""},
		"world_readable": {"0 1 2 3 4 5", "0 1 2 3 4", "0 1 2 3 4"},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			s := &server{t: t, db: s.db, api: s.api}
			r := storetest.NewRoom(t, s.db, alice)
			r.State(alice, "m.room.history_visibility", "", object{"history_visibility": rule})
			sent := []storetest.Sent{r.Text(alice, "0")}
			r.Member(alice, bob, "invite")
			sent = append(sent, r.Text(alice, "1"))
			r.Member(bob, bob, "join")
			sent = append(sent, r.Text(alice, "2"))
			r.Member(bob, bob, "leave")
			sent = append(sent, r.Text(alice, "3"))
			r.Member(alice, bob, "invite")
			sent = append(sent, r.Text(alice, "4"))
			require.Equal(t, want.left, s.bodies(bob, r), "before he is back")
			if want.never != "" {
				require.Equal(t, want.never, s.bodies(carol, r))
			} else {
				s.refused(carol, "GET", roomPath(r, "/messages?dir=f"), "", 403, mxerr.CodeForbidden)
			}
			r.Member(bob, bob, "join")
			sent = append(sent, r.Text(alice, "5"))
			require.Equal(t, want.joined, s.bodies(bob, r))
			require.Equal(t, "0 1 2 3 4 5", s.bodies(alice, r))

			// Single events follow the same rule.
			for i, e := range sent {
				path := roomPath(r, "/event/"+string(e.ID()))
				if strings.Contains(want.joined, fmt.Sprint(i)) {
					require.Equal(t, e.ID(), ok[clientEventJSON](s, bob, "GET", path, "").EventID)
				} else {
					s.refused(bob, "GET", path, "", 404, mxerr.CodeNotFound)
				}
			}
		})
	}
}

func TestHistoryVisibilityThatChanges(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	r := storetest.NewRoom(t, s.db, alice)
	r.State(alice, "m.room.history_visibility", "", object{"history_visibility": "joined"})
	r.Text(alice, "hidden")
	opened := r.State(alice, "m.room.history_visibility", "", object{"history_visibility": "shared"})
	r.Text(alice, "shared")
	closed := r.State(alice, "m.room.history_visibility", "", object{"history_visibility": "joined"})
	r.Text(alice, "hidden")
	joined := r.Member(bob, bob, "join")
	r.Text(alice, "here")
	kicked := r.Member(alice, bob, "leave")
	r.Text(alice, "gone")

	require.Equal(t, "shared here", s.bodies(bob, r))
	seen := eventIDs(ok[messagesJSON](s, bob, "GET", roomPath(r, "/messages?dir=b&limit=100"), "").Chunk)
	for _, e := range []storetest.Sent{opened, closed, joined, kicked} {
		require.Contains(t, seen, e.ID(), "a change is seen by whom one side of it allows")
	}
	require.Equal(t, kicked.ID(), seen[0])
}

func TestContext(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	r := storetest.NewRoom(t, s.db, alice)
	r.Member(bob, bob, "join")
	var sent []storetest.Sent
	for i := range 5 {
		sent = append(sent, r.Text(alice, fmt.Sprint(i)))
	}
	r.State(alice, "m.room.name", "", object{"name": "later"})
	type contextJSON struct {
		Start, End string
		Event      clientEventJSON
		Before     []clientEventJSON `json:"events_before"`
		After      []clientEventJSON `json:"events_after"`
		State      []clientEventJSON
	}
	path := roomPath(r, "/context/"+string(sent[2].ID()))
	c := ok[contextJSON](s, bob, "GET", path+"?limit=2", "")
	require.Equal(t, sent[2].ID(), c.Event.EventID)
	require.Equal(t, []id.EventID{sent[1].ID()}, eventIDs(c.Before))
	require.Equal(t, []id.EventID{sent[3].ID()}, eventIDs(c.After))
	require.Len(t, c.State, 3, "as of the last event: no name yet")
	require.Equal(t, []id.EventID{sent[0].ID()}, eventIDs(ok[messagesJSON](s, bob, "GET", roomPath(r, "/messages?dir=b&limit=1&from="+c.Start), "").Chunk))
	require.Equal(t, []id.EventID{sent[4].ID()}, eventIDs(ok[messagesJSON](s, bob, "GET", roomPath(r, "/messages?dir=f&limit=1&from="+c.End), "").Chunk))

	alone := ok[contextJSON](s, bob, "GET", path+"?limit=0", "")
	require.Empty(t, alone.Before)
	require.Empty(t, alone.After)
	lazy := ok[contextJSON](s, bob, "GET", path+"?limit=2&filter="+url.QueryEscape(`{"lazy_load_members":true}`), "")
	require.Len(t, lazy.State, 2, "create, and of the members alice, who sent all of them")
	s.refused(bob, "GET", path+"?limit=x", "", 400, mxerr.CodeInvalidParam)
}

func TestTransactionIDIsForTheSendingDevice(t *testing.T) {
	t.Parallel()
	s := newServer(t, auth.Registration{})
	r := storetest.NewRoom(t, s.db, alice)
	r.Member(bob, bob, "join")
	e := r.Text(alice, "mine")
	path := roomPath(r, "/event/"+string(e.ID()))
	for device, want := range map[string]object{"DEVICE": {"transaction_id": "txn"}, "OTHER": nil} {
		_, err := s.db.Exec(t.Context(), `UPDATE event SET device_id = $1, txn_id = 'txn' WHERE event_id = $2`, device, e.ID())
		require.NoError(t, err)
		require.Equal(t, want, ok[clientEventJSON](s, alice, "GET", path, "").Unsigned)
		require.Nil(t, ok[clientEventJSON](s, bob, "GET", path, "").Unsigned)
	}
}
