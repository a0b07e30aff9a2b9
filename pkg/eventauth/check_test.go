package eventauth_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// The tests are named by the rules of room version 12: each has what the rule lets pass, and what it refuses.

func TestRule1Create(t *testing.T) {
	t.Parallel()
	create := func(change fields) *event.Event {
		f := fields{"type": "m.room.create", "state_key": "", "sender": creator, "prev_events": []string{}, "content": fields{"room_version": "12"}}
		for k, v := range change {
			f[k] = v
		}
		return parse(t, event.DefaultVersion, f)
	}
	for name, tt := range map[string]struct {
		change fields
		rule   string
	}{
		"1.5 allowed":                      {nil, ""},
		"1.1 previous events":              {fields{"prev_events": []string{someEvent}}, "1.1"},
		"1.2 room id":                      {fields{"room_id": "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "1.2"},
		"1.3 no version":                   {fields{"content": fields{}}, ""},
		"1.3 unknown version":              {fields{"content": fields{"room_version": "nope"}}, "1.3"},
		"1.3 version not a string":         {fields{"content": fields{"room_version": 12}}, "1.3"},
		"1.4 additional creators":          {fields{"content": fields{"additional_creators": []string{co, remote}}}, ""},
		"1.4 none":                         {fields{"content": fields{"additional_creators": []string{}}}, ""},
		"1.4 not an array":                 {fields{"content": fields{"additional_creators": co}}, "1.4"},
		"1.4 an element not a string":      {fields{"content": fields{"additional_creators": []any{co, 3}}}, "1.4"},
		"1.4 an element not a user id":     {fields{"content": fields{"additional_creators": []any{co, "co"}}}, "1.4"},
		"1.4 an element with a bad server": {fields{"content": fields{"additional_creators": []any{"@co:hs_example"}}}, "1.4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := eventauth.Check(event.DefaultVersion, create(tt.change), eventauth.MapState{})
			if tt.rule == "" {
				require.NoError(t, err)
			} else {
				requireRule(t, tt.rule, err)
			}
		})
	}
}

func TestRule2RoomOfAcceptedCreate(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.allow(r.message(alice))

	another := newRoom(t, event.DefaultVersion, fields{"another": true})
	r.refuse("2", another.message(creator))
	delete(r.state, eventauth.StateKeyTuple{Type: "m.room.create"})
	r.refuse("2", r.message(alice))
}

func TestRule3AuthEvents(t *testing.T) {
	t.Parallel()
	r := usual(t)
	levels := r.state.Event("m.room.power_levels", "")
	memberOf := func(user string) *event.Event { return r.state.Event("m.room.member", user) }
	check := func(ev *event.Event, rejected func(id.EventID) bool, auth ...*event.Event) error {
		return eventauth.CheckAuthEvents(r.v, ev, auth, rejected)
	}
	msg := r.message(alice)
	require.NoError(t, check(msg, nil, levels, memberOf(alice)))
	require.NoError(t, check(msg, func(id.EventID) bool { return false }, levels, memberOf(alice)))
	require.NoError(t, check(r.create, nil))

	requireRule(t, "3.1", check(msg, nil, levels, memberOf(alice), levels))
	requireRule(t, "3.2", check(msg, nil, levels, memberOf(bob)))
	requireRule(t, "3.2", check(msg, nil, r.create))
	requireRule(t, "3.2", check(msg, nil, r.message(bob)))
	require.NoError(t, check(r.create, nil, levels), "the rules about create events come first")
	requireRule(t, "3.3", check(msg, func(e id.EventID) bool { return e == levels.ID() }, levels))
	another := newRoom(t, event.DefaultVersion, fields{"another": true})
	another.levels(fields{})
	requireRule(t, "3.4", check(msg, nil, another.state.Event("m.room.power_levels", "")))
}

func TestRule4Federation(t *testing.T) {
	t.Parallel()
	for federate, rule := range map[any]string{true: "", false: "4", "false": ""} {
		r := newRoom(t, event.DefaultVersion, fields{"m.federate": federate})
		r.member(remote, "join")
		r.member(alice, "join")
		r.allow(r.message(alice))
		if rule == "" {
			r.allow(r.message(remote))
		} else {
			r.refuse(rule, r.message(remote))
		}
	}
}

func TestRule6SenderIsInTheRoom(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.allow(r.message(bob))
	for _, membership := range []string{"leave", "invite", "knock", "ban"} {
		r.member(bob, membership)
		r.refuse("6", r.message(bob))
	}
	r.refuse("6", r.message(carol))
	r.refuse("6", r.event(carol, "m.room.power_levels", "", fields{}))
}

func TestRule7ThirdPartyInvite(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.allow(r.event(bob, "m.room.third_party_invite", "token", fields{}))
	r.levels(fields{"invite": 50, "state_default": 100, "users": fields{alice: 50}})
	r.allow(r.event(alice, "m.room.third_party_invite", "token", fields{}))
	r.refuse("7.1", r.event(bob, "m.room.third_party_invite", "token", fields{}))
}

func TestRule8RequiredLevel(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.levels(fields{
		"users": fields{alice: 50, bob: 10}, "users_default": -1, "events_default": 5, "state_default": 40,
		"events": fields{"m.room.topic": 60, "m.reaction": 0, "org.example.loud": 20},
	})
	r.member(carol, "join")
	r.allow(r.message(bob))
	r.refuse("8", r.message(carol))
	r.allow(r.event(alice, "m.room.name", "", fields{}))
	r.refuse("8", r.event(bob, "m.room.name", "", fields{}))
	r.refuse("8", r.event(alice, "m.room.topic", "", fields{}))
	r.allow(r.event(creator, "m.room.topic", "", fields{}))
	r.allow(r.event(bob, "m.reaction", nil, fields{}))
	r.refuse("8", r.event(bob, "org.example.loud", nil, fields{}))
	// No rule about redactions: the redact level is looked at when one is applied.
	r.levels(fields{"redact": 100})
	r.allow(r.event(bob, "m.room.redaction", nil, fields{"redacts": someEvent}))
}

func TestRule8WithoutPowerLevels(t *testing.T) {
	t.Parallel()
	r := newRoom(t, event.DefaultVersion, fields{"additional_creators": []string{co}})
	for _, user := range []string{alice, co} {
		r.member(user, "join")
	}
	r.allow(r.message(alice))
	r.refuse("8", r.event(alice, "m.room.name", "", fields{}))
	r.allow(r.event(creator, "m.room.name", "", fields{}))
	r.allow(r.event(co, "m.room.name", "", fields{}))
}

func TestRule9StateKeyOfAnotherUser(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.allow(r.event(alice, "org.example.own", alice, fields{}))
	r.allow(r.event(alice, "org.example.own", "plain", fields{}))
	r.refuse("9", r.event(alice, "org.example.own", bob, fields{}))
	r.refuse("9", r.event(alice, "org.example.own", "@", fields{}))
	r.refuse("9", r.event(creator, "org.example.own", bob, fields{}))
}

func TestRule11Otherwise(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.allow(r.event(alice, "org.example.state", "", fields{}))
	r.allow(r.event(bob, "org.example.message", nil, fields{}))
}

// A kept PowerLevels is used in place of parsing.
type keptLevels struct {
	eventauth.MapState
	levels *eventauth.PowerLevels
}

func (k keptLevels) PowerLevels() *eventauth.PowerLevels { return k.levels }

func TestKeptPowerLevelsAreUsed(t *testing.T) {
	t.Parallel()
	r := usual(t)
	kept := keptLevels{r.state, eventauth.LevelsOf(r.v, r.state)}
	name := r.event(alice, "m.room.name", "", fields{})
	require.NoError(t, eventauth.Check(r.v, name, kept))
	delete(r.state, eventauth.StateKeyTuple{Type: "m.room.power_levels"})
	require.NoError(t, eventauth.Check(r.v, name, kept))
	r.refuse("8", name)
}

// The owner of a room checks messages against kept levels: that must allocate nothing, in no version.
func TestCheckMessageAllocatesNothing(t *testing.T) {
	for _, v := range event.Versions {
		r := usualIn(t, v)
		msg := r.message(bob)
		var kept eventauth.State = keptLevels{r.state, eventauth.LevelsOf(v, r.state)}
		require.Zero(t, testing.AllocsPerRun(10, func() {
			if err := eventauth.Check(v, msg, kept); err != nil {
				t.Fatal(err)
			}
		}), v.ID)
	}
}

func BenchmarkReject(b *testing.B) {
	r := usual(b)
	msg := r.message(carol)
	var kept eventauth.State = keptLevels{r.state, eventauth.LevelsOf(r.v, r.state)}
	b.ReportAllocs()
	for b.Loop() {
		if eventauth.Check(r.v, msg, kept) == nil {
			b.Fatal("allowed")
		}
	}
}

func BenchmarkCheckMessage(b *testing.B) {
	r := usual(b)
	msg := r.message(bob)
	b.Run("levels parsed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := eventauth.Check(r.v, msg, r.state); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("levels kept", func(b *testing.B) {
		var kept eventauth.State = keptLevels{r.state, eventauth.LevelsOf(r.v, r.state)}
		b.ReportAllocs()
		for b.Loop() {
			if err := eventauth.Check(r.v, msg, kept); err != nil {
				b.Fatal(err)
			}
		}
	})
}
