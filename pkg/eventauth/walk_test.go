package eventauth_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
)

// choices turns bytes into choices; when they are used up, the first of each.
type choices struct{ bytes []byte }

func (c *choices) of(n int) int {
	if len(c.bytes) == 0 {
		return 0
	}
	b := c.bytes[0]
	c.bytes = c.bytes[1:]
	return int(b) % n
}

func pick[T any](c *choices, from ...T) T { return from[c.of(len(from))] }

// FuzzWalk lets members and others do what comes to them, in a room whose state is what the rules allowed. It finds
// combinations that arbitrary JSON does not.
func FuzzWalk(f *testing.F) {
	for version := range event.Versions {
		f.Add(uint8(version), []byte("a room in which much happens, by whoever comes along"))
		f.Add(uint8(version), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29})
	}
	f.Fuzz(func(t *testing.T, version uint8, bytes []byte) {
		c := &choices{bytes: bytes[:min(len(bytes), 400)]}
		r := usualIn(t, event.Versions[int(version)%len(event.Versions)])
		if c.of(2) == 1 {
			delete(r.state, eventauth.StateKeyTuple{Type: "m.room.power_levels"})
		}
		for len(c.bytes) > 0 {
			r.step(c)
		}
	})
}

// step is one event: if the rules allow it, it becomes part of the state, and takes nothing from who stands above.
func (r *room) step(c *choices) {
	ev := r.anyEvent(c)
	err := r.check(ev)
	if err != nil {
		var rejection *eventauth.Rejection
		require.ErrorAs(r.t, err, &rejection)
		require.Contains(r.t, eventauth.Rules(r.v), eventauth.Numbered{Name: rejection.Name, Number: rejection.Rule})
		return
	}
	if !ev.IsState() {
		return
	}
	levels := eventauth.LevelsOf(r.v, r.state)
	key, _ := ev.StateKey()
	before := r.state.Event(ev.Type(), key)
	sender := levels.User(ev.Sender())
	r.put(ev)
	if key == string(ev.Sender()) {
		return
	}
	switch ev.Type() {
	case "m.room.member":
		was := "leave"
		if before != nil {
			was = before.Membership()
		}
		switch ev.Membership() {
		case "join":
			// Nor is the creator; but the rule about the first join does not look at who sends it.
			require.Equal(r.t, creator, key, "nobody is joined by another")
		case "invite":
			require.NotContains(r.t, []string{"join", "ban"}, was)
		default:
			require.Less(r.t, levels.User(userIDs(key)[0]), sender, "nobody is removed by whom they do not stand below")
		}
	case "m.room.power_levels":
		if before == nil {
			return
		}
		next := eventauth.LevelsOf(r.v, r.state)
		for _, user := range userIDs(creator, alice, bob, carol, remote) {
			// Who is no longer listed may rise to a default that was above the sender before.
			if now := next.User(user); now > levels.User(user) && now != next.UsersDefault {
				require.LessOrEqual(r.t, now, sender, "%s is raised above who did it", user)
			}
		}
	}
}

func (r *room) anyEvent(c *choices) *event.Event {
	user := func() string { return pick(c, alice, bob, carol, creator, remote, co) }
	sender := user()
	content := fields{}
	level := func() any {
		return pick[any](c, 50, 0, 49, 51, 100, -1, 1, "50", " 100 ", "x", nil, []int{}, true, int64(1<<53-1))
	}
	switch c.of(8) {
	case 0, 1, 2:
		content["membership"] = pick[any](c, "join", "leave", "invite", "ban", "knock", "odd", nil)
		if c.of(4) == 1 {
			content["join_authorised_via_users_server"] = pick[any](c, alice, remote, "x", 3)
		}
		if c.of(6) == 1 {
			content["third_party_invite"] = pick[any](c, fields{}, 3, fields{"signed": fields{"mxid": carol, "token": pick[any](c, "t", 3, "")}})
		}
		target := sender
		if c.of(2) == 1 {
			target = user()
		}
		prev := []string{someEvent}
		if c.of(6) == 1 {
			prev = []string{string(r.create.ID())}
		}
		return parse(r.t, r.v, fields{
			"room_id": r.create.RoomID(), "sender": sender, "type": "m.room.member", "state_key": target,
			"content": content, "prev_events": prev, "signatures": fields{"hs.example": fields{"ed25519:a": "AA"}},
		})
	case 3, 4:
		for _, name := range []string{"users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"} {
			if c.of(4) == 1 {
				content[name] = level()
			}
		}
		for _, name := range []string{"users", "events", "notifications"} {
			if c.of(3) > 0 {
				content[name] = fields{pick(c, alice, bob, carol, creator, "m.room.name", "room"): level(), user(): level()}
			}
		}
		return r.event(sender, "m.room.power_levels", pick[any](c, "", nil, "x"), content)
	case 5:
		content["join_rule"] = pick[any](c, "public", "invite", "knock", "restricted", "knock_restricted", "private", 3)
		return r.event(sender, "m.room.join_rules", "", content)
	}
	evType := pick(c, "m.room.message", "m.room.name", "m.room.aliases", "m.room.third_party_invite", "m.room.redaction")
	stateKey := pick[any](c, nil, "", alice, "hs.example", "t")
	raw, err := json.Marshal(pick[any](c, nil, "$a:hs.example", "$a:other.example", "nonsense"))
	require.NoError(r.t, err)
	f := fields{"room_id": r.create.RoomID(), "sender": sender, "type": evType, "content": content, "redacts": json.RawMessage(raw)}
	if stateKey != nil {
		f["state_key"] = stateKey
	}
	return parse(r.t, r.v, f)
}
