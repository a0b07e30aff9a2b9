package eventauth_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

func TestRule10_1To10_3Shape(t *testing.T) {
	t.Parallel()
	for rule, contents := range map[string][]fields{
		"10.1": {
			{"users_default": "0"}, {"events_default": nil}, {"state_default": []int{}}, {"ban": "50"}, {"redact": true},
			{"kick": fields{}}, {"invite": ""},
		},
		"10.2": {
			{"events": []int{}}, {"events": "x"}, {"events": fields{"a": "1"}}, {"events": nil},
			{"notifications": 1}, {"notifications": fields{"room": nil}},
		},
		"10.3": {
			{"users": []int{}}, {"users": nil}, {"users": fields{alice: "50"}}, {"users": fields{"alice": 50}},
			{"users": fields{"@alice:bad_server": 50}},
		},
	} {
		for _, content := range contents {
			r := newRoom(t, event.DefaultVersion, nil)
			r.refuse(rule, r.event(creator, "m.room.power_levels", "", content))
		}
	}
	r := newRoom(t, event.DefaultVersion, nil)
	for _, content := range []fields{
		{}, {"users_default": 1, "events_default": 2, "state_default": 3, "ban": 4, "redact": 5, "kick": 6, "invite": 7},
		{"events": fields{"a": -1}, "notifications": fields{"room": 20}, "users": fields{alice: 50, remote: 0}}, {"other": "x"},
	} {
		r.allow(r.event(creator, "m.room.power_levels", "", content))
	}
}

func TestRule10_4CreatorsAreNotListed(t *testing.T) {
	t.Parallel()
	r := newRoom(t, event.DefaultVersion, fields{"additional_creators": []string{co}})
	for _, user := range []string{creator, co} {
		r.refuse("10.4", r.event(creator, "m.room.power_levels", "", fields{"users": fields{user: 100}}))
	}
	r.allow(r.event(creator, "m.room.power_levels", "", fields{"users": fields{alice: 100}}))
}

func TestRule10_5FirstLevels(t *testing.T) {
	t.Parallel()
	r := newRoom(t, event.DefaultVersion, nil)
	r.allow(r.event(creator, "m.room.power_levels", "", fields{"ban": 9007199254740991, "users": fields{alice: 9007199254740991}}))
}

// To write a default down, or to drop what is written down and is the default, is an alteration too.
func TestRule10_6DefaultsWrittenDown(t *testing.T) {
	t.Parallel()
	for rule, change := range map[string][2]fields{
		"10.6.1": {{"ban": 50}, {}},
		"10.6.2": {{}, {"ban": 50}},
		"":       {{"ban": 50}, {"ban": 50, "events_default": 0}},
	} {
		r := usual(t)
		for _, content := range change {
			content["users"], content["events"] = fields{alice: 40}, fields{"m.room.power_levels": 40}
		}
		r.levels(change[0])
		ev := r.event(alice, "m.room.power_levels", "", change[1])
		if rule == "" {
			r.allow(ev)
		} else {
			r.refuse(rule, ev)
		}
	}
}

func TestRule10_6To10_10Changes(t *testing.T) {
	t.Parallel()
	before := func() fields {
		return fields{
			"users":  fields{alice: 50, bob: 50, carol: 10, remote: 70},
			"events": fields{"high": 70, "mine": 50, "low": 10}, "notifications": fields{"room": 60, "x": 20},
			"ban": 70, "kick": 30, "state_default": 20, "invite": 50,
		}
	}
	set := func(object, key string, value any) func(fields) {
		return func(f fields) {
			m := f
			if object != "" {
				m = f[object].(fields)
			}
			if value == nil {
				delete(m, key)
			} else {
				m[key] = value
			}
		}
	}
	for name, tt := range map[string]struct {
		change func(fields)
		rule   string
	}{
		"nothing":                          {func(fields) {}, ""},
		"10.6 change a level below":        {set("", "kick", 50), ""},
		"10.6 remove a level below":        {set("", "kick", nil), ""},
		"10.6 add one":                     {set("", "redact", 50), ""},
		"10.6 lower one at my level":       {set("", "invite", 10), ""},
		"10.6.1 lower one above":           {set("", "ban", 10), "10.6.1"},
		"10.6.1 remove one above":          {set("", "ban", nil), "10.6.1"},
		"10.6.2 raise one too high":        {set("", "kick", 51), "10.6.2"},
		"10.6.2 add one too high":          {set("", "users_default", 51), "10.6.2"},
		"10.7 change an event at my level": {set("events", "mine", 20), ""},
		"10.7 remove an event":             {set("events", "low", nil), ""},
		"10.7.1 lower an event above":      {set("events", "high", 10), "10.7.1"},
		"10.7.1 remove an event above":     {set("events", "high", nil), "10.7.1"},
		"10.7.1 lower a notification":      {set("notifications", "room", 10), "10.7.1"},
		"10.7.1 remove all notifications":  {set("", "notifications", nil), "10.7.1"},
		"10.8 add an event":                {set("events", "new", 50), ""},
		"10.8.1 add an event too high":     {set("events", "new", 51), "10.8.1"},
		"10.8.1 raise an event too high":   {set("events", "low", 51), "10.8.1"},
		"10.8.1 a notification too high":   {set("notifications", "x", 51), "10.8.1"},
		"10.9 lower one below":             {set("users", carol, 0), ""},
		"10.9 remove one below":            {set("users", carol, nil), ""},
		"10.9 step down":                   {set("users", alice, 20), ""},
		"10.9 remove oneself":              {set("users", alice, nil), ""},
		"10.9.1 lower an equal":            {set("users", bob, 0), "10.9.1"},
		"10.9.1 remove an equal":           {set("users", bob, nil), "10.9.1"},
		"10.9.1 lower one above":           {set("users", remote, 0), "10.9.1"},
		"10.10 raise one to my level":      {set("users", carol, 50), ""},
		"10.10 add one at my level":        {set("users", "@new:hs.example", 50), ""},
		"10.10.1 raise one above me":       {set("users", carol, 51), "10.10.1"},
		"10.10.1 raise myself":             {set("users", alice, 51), "10.10.1"},
		"10.10.1 add one above me":         {set("users", "@new:hs.example", 51), "10.10.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := usual(t)
			r.levels(before())
			content := before()
			tt.change(content)
			ev := r.event(alice, "m.room.power_levels", "", content)
			if tt.rule == "" {
				r.allow(ev)
			} else {
				r.refuse(tt.rule, ev)
			}
			// No number is above a creator.
			r.allow(r.event(creator, "m.room.power_levels", "", content))
		})
	}
}

func TestPowerLevels(t *testing.T) {
	t.Parallel()
	r := newRoom(t, event.DefaultVersion, fields{"additional_creators": []string{co}})
	require.Equal(t, userIDs(creator, co), eventauth.Creators(r.v, r.create))

	p := eventauth.LevelsOf(r.v, r.state)
	require.Equal(t, eventauth.Infinite, p.User(creator))
	require.Equal(t, eventauth.Infinite, p.User(co))
	require.EqualValues(t, math.MaxInt64, p.User(co))
	require.Zero(t, p.User(alice))
	require.Equal(t, []int64{0, 0, 50, 50, 50, 50, 0}, []int64{p.UsersDefault, p.EventsDefault, p.StateDefault, p.Ban, p.Kick, p.Redact, p.Invite})
	require.EqualValues(t, 50, p.Notification("room"))
	require.EqualValues(t, 0, p.RequiredFor("m.room.message", false))
	require.EqualValues(t, 50, p.RequiredFor("m.room.name", true))

	r.levels(fields{"users": fields{alice: 20}, "users_default": 3, "notifications": fields{"room": 7}, "events": fields{"m.room.name": 8}, "redact": 20})
	p = eventauth.LevelsOf(r.v, r.state)
	require.EqualValues(t, 20, p.User(alice))
	require.EqualValues(t, 3, p.User(bob))
	require.Equal(t, eventauth.Infinite, p.User(creator))
	require.EqualValues(t, 7, p.Notification("room"))
	require.EqualValues(t, 8, p.RequiredFor("m.room.name", true))
}

func TestSelection(t *testing.T) {
	t.Parallel()
	key := func(s string) *string { return &s }
	type tuple = eventauth.StateKeyTuple
	levels, rules := tuple{Type: "m.room.power_levels"}, tuple{Type: "m.room.join_rules"}
	member := func(user string) tuple { return tuple{Type: "m.room.member", StateKey: user} }
	for name, tt := range map[string]struct {
		evType   string
		stateKey *string
		content  string
		want     []tuple
	}{
		"create":         {"m.room.create", key(""), `{}`, nil},
		"message":        {"m.room.message", nil, `{"membership":"join"}`, []tuple{levels, member(alice)}},
		"state":          {"m.room.name", key(""), `{}`, []tuple{levels, member(alice)}},
		"member message": {"m.room.member", nil, `{"membership":"join"}`, []tuple{levels, member(alice)}},
		"own join":       {"m.room.member", key(alice), `{ "membership" : "join" }`, []tuple{levels, member(alice), rules}},
		"knock":          {"m.room.member", key(alice), `{"membership":"knock"}`, []tuple{levels, member(alice), rules}},
		"leave":          {"m.room.member", key(alice), `{"membership":"leave"}`, []tuple{levels, member(alice)}},
		"kick":           {"m.room.member", key(bob), `{"membership":"leave"}`, []tuple{levels, member(alice), member(bob)}},
		"ban":            {"m.room.member", key(bob), `{"membership":"ban"}`, []tuple{levels, member(alice), member(bob)}},
		"invite":         {"m.room.member", key(bob), `{"membership":"invite"}`, []tuple{levels, member(alice), member(bob), rules}},
		"third party": {"m.room.member", key(bob), `{"membership":"invite","third_party_invite":{"signed":{"token":"t"}}}`,
			[]tuple{levels, member(alice), member(bob), rules, {Type: "m.room.third_party_invite", StateKey: "t"}}},
		"third party without token": {"m.room.member", key(bob), `{"membership":"invite","third_party_invite":{}}`,
			[]tuple{levels, member(alice), member(bob), rules}},
		"restricted": {"m.room.member", key(alice), `{"membership":"join","join_authorised_via_users_server":"` + bob + `"}`,
			[]tuple{levels, member(alice), rules, member(bob)}},
		"restricted, by oneself": {"m.room.member", key(alice), `{"membership":"join","join_authorised_via_users_server":"` + alice + `"}`,
			[]tuple{levels, member(alice), rules}},
	} {
		got := eventauth.AuthTypesFor(event.DefaultVersion, tt.evType, alice, tt.stateKey, json.RawMessage(tt.content))
		require.ElementsMatch(t, tt.want, got, name)
	}

	older := *event.DefaultVersion
	older.CreateInAuthEvents, older.RestrictedJoins = true, false
	got := eventauth.AuthTypesFor(&older, "m.room.member", alice, key(alice), json.RawMessage(`{"membership":"join","join_authorised_via_users_server":"`+bob+`"}`))
	require.ElementsMatch(t, []tuple{{Type: "m.room.create"}, levels, member(alice), rules}, got)

	r := usual(t)
	p := event.Proto{Sender: bob, Type: "m.room.member", StateKey: key(bob), Content: json.RawMessage(`{"membership":"join"}`)}
	require.ElementsMatch(t, []id.EventID{
		r.state.Event("m.room.power_levels", "").ID(), r.state.Event("m.room.member", bob).ID(),
	}, eventauth.SelectAuthEvents(r.v, &p, r.state))
}

func TestLevelsThatWereNeverAccepted(t *testing.T) {
	t.Parallel()
	for _, v := range event.Versions {
		r := usualIn(t, v)
		r.put(r.event(creator, "m.room.power_levels", "", fields{"users": fields{alice: []int{}}}))
		r.refuse(numberOf(v, "required_level"), r.event(alice, "m.room.name", "", fields{}))
		r.allow(r.message(alice))
		repair := r.newLevels(creator, fields{"users": fields{alice: 50}})
		if v.PrivilegedCreators {
			r.allow(repair)
		} else {
			r.refuse(numberOf(v, "required_level"), repair)
		}
	}
}
