package persister

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

func (p *testPersister) redactEvent(t *testing.T, user id.UserID, room id.RoomID, target, txn string) reply {
	t.Helper()
	return p.put(t, user, "/rooms/"+string(room)+"/redact/"+url.PathEscape(target)+"/"+txn, map[string]any{"reason": "why not"})
}

func (p *testPersister) json(t *testing.T, eventID string) string {
	t.Helper()
	return p.db.rows(t, "SELECT convert_from(json, 'UTF8') FROM event WHERE event_id = $1", eventID)[0]
}

func TestRedactionRemovesContentForGood(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, p *testPersister, v *event.Version) {
		room := p.newRoomOf(t, v)
		require.Equal(t, 200, p.post(t, bob, "/join/"+string(room), nil).status)
		target := p.put(t, bob, "/rooms/"+string(room)+"/send/m.room.message/said", map[string]any{"body": "the secret"}).text("event_id")
		require.Contains(t, p.json(t, target), "the secret")
		at := p.db.rows(t, "SELECT position::text FROM event WHERE event_id = $1", target)

		got := p.redactEvent(t, bob, room, target, "own")
		require.Equal(t, 200, got.status, got.body)
		require.NotContains(t, p.json(t, target), "the secret")
		require.Equal(t, at, p.db.rows(t, "SELECT position::text FROM event WHERE event_id = $1", target))
		require.Equal(t, got.text("event_id"), p.redactEvent(t, bob, room, target, "own").text("event_id"), "sent again, it is the same redaction")
		require.Equal(t, 200, p.redactEvent(t, alice, room, target, "again").status)
		require.Equal(t, []string{got.text("event_id")}, p.db.rows(t, `SELECT b.event_id FROM event e JOIN event b ON b.position = e.redacted_by
			WHERE e.event_id = $1`, target), "the first redaction is why")

		redaction, err := event.Load(v, id.EventID(got.text("event_id")), []byte(p.json(t, got.text("event_id"))))
		require.NoError(t, err)
		require.Equal(t, id.EventID(target), redaction.Redacts())
		all := p.stored(t, v, room)
		for _, ev := range all { // what is left has the id and the signature that it had
			again, err := event.Parse(v, ev.JSON())
			require.NoError(t, err)
			require.Equal(t, ev.ID(), again.ID())
			if string(ev.ID()) != target {
				require.NoError(t, event.VerifyHash(again))
			}
		}
		require.Equal(t, 200, p.send(t, room, alice, "goes-on").status)
	})
}

func TestRedactionByContent(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, p *testPersister, v *event.Version) {
		room := p.newRoomOf(t, v)
		target := p.send(t, room, alice, "asecret").text("event_id")
		path := "/rooms/" + string(room) + "/send/m.room.redaction/"
		require.Equal(t, "M_BAD_JSON", p.put(t, alice, path+"1", map[string]any{}).text("errcode"))
		got := p.put(t, alice, path+"2", map[string]any{"redacts": target, "reason": "r"})
		require.Equal(t, 200, got.status, got.body)
		require.NotContains(t, p.json(t, target), "asecret")
		ev, err := event.Load(v, id.EventID(got.text("event_id")), []byte(p.json(t, got.text("event_id"))))
		require.NoError(t, err)
		require.Equal(t, id.EventID(target), ev.Redacts())
		want := `{"reason":"r"}`
		if v.RedactsInContent {
			want = `{"reason":"r","redacts":"` + target + `"}`
		}
		require.JSONEq(t, want, string(ev.Content()))
	})
}

func TestWhoMayRedactWhat(t *testing.T) {
	t.Parallel()
	p := newPersister(t)
	for _, v := range event.Versions {
		room, other := p.newRoomOf(t, v), p.newRoomOf(t, v)
		require.Equal(t, 200, p.post(t, bob, "/join/"+string(room), nil).status)
		hers := p.send(t, room, alice, "hers").text("event_id")
		elsewhere := p.send(t, other, alice, "elsewhere").text("event_id")
		create := string(p.stored(t, v, room)[0].ID())

		require.Equal(t, "M_FORBIDDEN", p.redactEvent(t, bob, room, hers, "1").text("errcode"), v.ID)
		require.Equal(t, "M_FORBIDDEN", p.redactEvent(t, carol, room, hers, "2").text("errcode"), v.ID)
		require.Equal(t, "M_NOT_FOUND", p.redactEvent(t, alice, room, elsewhere, "3").text("errcode"), v.ID)
		require.Equal(t, "M_FORBIDDEN", p.redactEvent(t, alice, room, create, "4").text("errcode"), v.ID)
		require.Equal(t, "M_INVALID_PARAM", p.redactEvent(t, alice, room, "nothing", "5").text("errcode"), v.ID)
		require.Equal(t, "M_FORBIDDEN", p.put(t, alice, "/rooms/"+string(room)+"/state/m.room.redaction/x",
			map[string]any{"redacts": hers}).text("errcode"), v.ID)
		require.Contains(t, p.json(t, hers), "hers")
		require.Contains(t, p.json(t, elsewhere), "elsewhere")
	}
	p.db.exec(t, "UPDATE account SET admin = true WHERE user_id = $1", string(bob))
	room := p.newRoom(t)
	require.Equal(t, 200, p.post(t, bob, "/join/"+string(room), nil).status)
	hers := p.send(t, room, alice, "hers").text("event_id")
	require.Equal(t, 200, p.redactEvent(t, bob, room, hers, "1").status, "an administrator of the server")
}

// Power levels that were redacted have lost what redaction does not keep, for this owner and for the next.
func TestRedactedStateIsJudgedByWhatIsLeft(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	p := d.start(t, d.join(t), nil)
	v, _ := event.LookupVersion("10") // "invite" goes
	room := p.newRoomOf(t, v)
	levels := p.put(t, alice, "/rooms/"+string(room)+"/state/m.room.power_levels",
		map[string]any{"users": map[string]any{string(alice): 100}, "invite": 100}).text("event_id")
	require.Equal(t, 200, p.post(t, bob, "/join/"+string(room), nil).status)
	invite := map[string]any{"user_id": carol}
	require.Equal(t, 403, p.post(t, bob, "/rooms/"+string(room)+"/invite", invite).status)
	require.Equal(t, 200, p.redactEvent(t, alice, room, levels, "1").status)
	require.Equal(t, 200, p.post(t, bob, "/rooms/"+string(room)+"/invite", invite).status)
	require.NoError(t, p.stop())
	q := d.start(t, d.join(t), nil)
	require.Equal(t, 200, q.post(t, bob, "/rooms/"+string(room)+"/leave", nil).status)
	require.NoError(t, q.stop())
	require.Equal(t, p.content(t, room, "m.room.power_levels"), map[string]any{"users": map[string]any{string(alice): 100.0}})
}
