package eventauth_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// verdicts says what versions say of an event: "1-9 allowed, 10-12 power_levels.singles".
type verdicts string

func (w verdicts) of(t *testing.T, at int) string {
	for _, part := range strings.Split(string(w), ", ") {
		versions, verdict, ok := strings.Cut(part, " ")
		require.True(t, ok, part)
		var from, to int
		if n, _ := fmt.Sscanf(versions, "%d-%d", &from, &to); n == 1 {
			to = from
		}
		if from <= at && at <= to {
			return verdict
		}
	}
	require.Fail(t, "no verdict", "%s: %d", w, at)
	return ""
}

// TestVersionsDiffer shows the same events to all versions.
func TestVersionsDiffer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		want  verdicts
		check func(r *room) error
	}{
		"a create event without creator": {"1-10 create.creator, 11-12 allowed", func(r *room) error {
			return r.check(r.newCreate(nil, fields{"creator": nil}))
		}},
		"a create event with malformed additional_creators": {"1-11 allowed, 12 create.additional_creators", func(r *room) error {
			return r.check(r.newCreate(nil, fields{"additional_creators": 3}))
		}},
		"the first join is of content.creator, who is not the sender": {"1-10 allowed, 11-12 member.join.invited", func(r *room) error {
			other := newRoom(r.t, r.v, fields{"creator": co})
			return other.check(other.firstJoin(co, string(other.create.ID())))
		}},
		"the first join is of the sender, who is not content.creator": {"1-10 member.join.invited, 11-12 allowed", func(r *room) error {
			other := newRoom(r.t, r.v, fields{"creator": co})
			delete(other.state, eventauth.StateKeyTuple{Type: "m.room.member", StateKey: creator})
			return other.check(other.firstJoin(creator, string(other.create.ID())))
		}},
		"content.creator has power without power levels": {"1-10 allowed, 11-12 required_level", func(r *room) error {
			other := newRoom(r.t, r.v, fields{"creator": co})
			other.member(co, "join")
			return other.check(other.event(co, "m.room.name", "", fields{}))
		}},
		"the sender of the create event has power without power levels": {"1-12 allowed", func(r *room) error {
			other := newRoom(r.t, r.v, nil)
			return other.check(other.event(creator, "m.room.name", "", fields{}))
		}},
		"the creator has power beyond the power levels": {"1-11 required_level, 12 allowed", func(r *room) error {
			r.put(r.event(creator, "m.room.power_levels", "", fields{}))
			return r.check(r.event(creator, "m.room.name", "", fields{}))
		}},
		"an additional creator has power": {"1-11 required_level, 12 allowed", func(r *room) error {
			other := newRoom(r.t, r.v, fields{"additional_creators": []string{co}})
			other.member(co, "join")
			return other.check(other.event(co, "m.room.name", "", fields{}))
		}},
		"the state has no create event": {"1-11 auth_events.create, 12 room", func(r *room) error {
			delete(r.state, eventauth.StateKeyTuple{Type: "m.room.create"})
			return r.check(r.message(bob))
		}},
		"the state is of another room": {"1-11 auth_events.room, 12 room", func(r *room) error {
			return r.check(newRoomWithID(r.t, r.v, "!another:hs.example", fields{"another": true}).message(creator))
		}},
		"auth_events without the create event": {"1-11 auth_events.create, 12 allowed", func(r *room) error {
			return r.checkAuth(r.message(bob), r.state.Event("m.room.member", bob))
		}},
		"auth_events with the create event": {"1-11 allowed, 12 auth_events.selection", func(r *room) error {
			return r.checkAuth(r.message(bob), r.create, r.state.Event("m.room.member", bob))
		}},
		"auth_events with who authorised the join": {"1-7 auth_events.selection, 8-12 allowed", func(r *room) error {
			return r.checkAuth(r.authorisedJoin(alice, "hs.example"), append(r.authEvents()[2:], r.state.Event("m.room.member", alice))...)
		}},
		"a create event with auth_events": {"1-12 allowed", func(r *room) error { return r.checkAuth(r.create, r.message(bob)) }},
		"aliases of the sender's server":  {"1-5 allowed, 6-12 required_level", func(r *room) error { return r.check(r.event(bob, "m.room.aliases", "hs.example", fields{})) }},
		"aliases of another server":       {"1-5 aliases.domain, 6-12 allowed", func(r *room) error { return r.check(r.event(alice, "m.room.aliases", "other.example", fields{})) }},
		"aliases without a state key":     {"1-5 aliases.state_key, 6-12 allowed", func(r *room) error { return r.check(r.event(alice, "m.room.aliases", nil, fields{})) }},
		"aliases of who is not a member":  {"1-5 allowed, 6-12 sender", acceptsAliases},
		"redact an event of another server": {"1-2 redaction.otherwise, 3-12 allowed", func(r *room) error {
			return r.check(r.event(bob, "m.room.redaction", nil, fields{"redacts": "$1:other.example"}))
		}},
		"a join that is not signed by who authorises it": {"1-7 allowed, 8-12 member.authorised.signature", under("public", func(r *room) error {
			return r.check(r.authorisedJoin(alice, "other.example"))
		})},
		"an invited user joins under knock":            {"1-6 member.join.otherwise, 7-12 allowed", under("knock", after(carol, "invite", joins))},
		"anybody joins under knock":                    {"1-6 member.join.otherwise, 7-12 member.join.invited", under("knock", joins)},
		"an invited user joins under restricted":       {"1-7 member.join.otherwise, 8-12 allowed", under("restricted", after(carol, "invite", joins))},
		"an authorised user joins under restricted":    {"1-7 member.join.otherwise, 8-12 allowed", under("restricted", authorised)},
		"an invited user joins under knock_restricted": {"1-9 member.join.otherwise, 10-12 allowed", under("knock_restricted", after(carol, "invite", joins))},
		"an authorised user under knock_restricted":    {"1-9 member.join.otherwise, 10-12 allowed", under("knock_restricted", authorised)},
		"a join rule that is not a string": {"1-12 member.join.otherwise", after(carol, "invite", func(r *room) error {
			r.put(r.event(creator, "m.room.join_rules", "", fields{"join_rule": 3}))
			return joins(r)
		})},
		"an invited user joins where no event has a join rule": {"1-12 allowed", after(carol, "invite", joins)},
		"an invited user joins where the event has none": {"1-12 allowed", after(carol, "invite", func(r *room) error {
			r.put(r.event(creator, "m.room.join_rules", "", fields{}))
			return joins(r)
		})},
		"knock under knock":            {"1-6 member.otherwise, 7-12 allowed", under("knock", changes(carol, carol, "knock"))},
		"knock under knock_restricted": {"1-6 member.otherwise, 7-9 member.knock.join_rule, 10-12 allowed", under("knock_restricted", changes(carol, carol, "knock"))},
		"knock under restricted":       {"1-6 member.otherwise, 7-12 member.knock.join_rule", under("restricted", changes(carol, carol, "knock"))},
		"take back a knock":            {"1-6 member.leave.self, 7-12 allowed", after(carol, "knock", changes(carol, carol, "leave"))},
		"reject a knock":               {"1-12 allowed", after(carol, "knock", changes(alice, carol, "leave"))},

		"a level in a string":             {"1-9 allowed, 10-12 power_levels.singles", setting(nil, fields{"ban": "50"})},
		"a user's level in a string":      {"1-9 allowed, 10-12 power_levels.users", setting(nil, fields{"users": fields{alice: "50"}})},
		"an event's level in a string":    {"1-9 allowed, 10-12 power_levels.maps", setting(nil, fields{"events": fields{"a": "50"}})},
		"a level in a string is too high": {"1-9 power_levels.single.new, 10-12 power_levels.singles", setting(nil, fields{"ban": "51"})},
		"a string for the same number":    {"1-9 allowed, 10-12 power_levels.singles", setting(fields{"ban": 70}, fields{"ban": " +070 "})},
		"a level of no form":              {"1-9 allowed, 10-12 power_levels.singles", setting(nil, fields{"ban": []int{}})},
		"events of no form":               {"1-9 allowed, 10-12 power_levels.maps", setting(nil, fields{"events": 3})},
		"notifications of no form":        {"1-9 allowed, 10-12 power_levels.maps", setting(nil, fields{"notifications": fields{"room": true}})},
		"users of no form":                {"1-12 power_levels.users", setting(nil, fields{"users": []int{}})},
		"a user id of no form":            {"1-12 power_levels.users", setting(nil, fields{"users": fields{alice: 50, "bob": 3}})},
		"a user's level of no form":       {"1-12 power_levels.users", setting(nil, fields{"users": fields{alice: 50, bob: nil}})},
		"put nonsense for a level above":  {"1-9 power_levels.single.current, 10-12 power_levels.singles", setting(fields{"ban": 51}, fields{"ban": "x"})},
		"put nonsense for events":         {"1-9 power_levels.map_current.level, 10-12 power_levels.maps", setting(fields{"events": fields{"a": 51}}, fields{"events": "x"})},
		"the creator is listed":           {"1-11 allowed, 12 power_levels.creators", func(r *room) error { return r.check(r.newLevels(creator, fields{"users": fields{creator: 100}})) }},
		"an additional creator is listed": {"1-11 allowed, 12 power_levels.creators", func(r *room) error {
			other := newRoom(r.t, r.v, fields{"additional_creators": []string{co}})
			return other.check(other.newLevels(creator, fields{"users": fields{co: 100}}))
		}},
		"a notification above":      {"1-5 allowed, 6-12 power_levels.map_current.level", setting(fields{"notifications": fields{"room": 51}}, fields{"notifications": fields{}})},
		"set a notification higher": {"1-5 allowed, 6-12 power_levels.map_new.level", setting(nil, fields{"notifications": fields{"room": 51}})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, v := range event.Versions {
				err := tt.check(usualIn(t, v))
				want := tt.want.of(t, i+1)
				if want == "allowed" {
					require.NoError(t, err, v.ID)
					continue
				}
				var rejection *eventauth.Rejection
				require.ErrorAs(t, err, &rejection, v.ID)
				require.Equal(t, want, rejection.Name, "%s: %s", v.ID, rejection.Reason)
			}
		})
	}
}

// TestFormsOfLevels reads a level in each form, in each version: malformed is as good as absent in older versions.
func TestFormsOfLevels(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		form string
		want verdicts
	}{
		{`7`, "1-12 7"},
		{`-7`, "1-12 -7"},
		{`0`, "1-12 0"},
		{`0.9`, "1-5 0, 6-12 malformed"},
		{`9007199254740991`, "1-12 9007199254740991"},
		{`9007199254740993`, "1-5 9007199254740993, 6-12 malformed"},
		{`50.57`, "1-5 50, 6-12 malformed"},
		{`-50.57`, "1-5 -50, 6-12 malformed"},
		{`-0.5`, "1-5 0, 6-12 malformed"},
		{`5.114698E4`, "1-5 51146, 6-12 malformed"},
		{`1e2`, "1-5 100, 6-12 malformed"},
		{`1e-400`, "1-5 0, 6-12 malformed"},
		{`1e300`, "1-5 9223372036854775807, 6-12 malformed"},
		{`-1e300`, "1-5 -9223372036854775808, 6-12 malformed"},
		{`9223372036854775808`, "1-5 9223372036854775807, 6-12 malformed"},
		{`1e309`, "1-5 refused, 6-12 malformed"},
		{`-1e309`, "1-5 refused, 6-12 malformed"},
		{`1` + strings.Repeat("0", 309), "1-5 refused, 6-12 malformed"},
		{`"100"`, "1-9 100, 10-12 malformed"},
		{`"000100"`, "1-9 100, 10-12 malformed"},
		{`"+100"`, "1-9 100, 10-12 malformed"},
		{`"-100"`, "1-9 -100, 10-12 malformed"},
		{`" \t+00100\n "`, "1-9 100, 10-12 malformed"},
		{`"99999999999999999999"`, "1-9 9223372036854775807, 10-12 malformed"},
		{`"-99999999999999999999"`, "1-9 -9223372036854775808, 10-12 malformed"},
		{`""`, "1-12 malformed"},
		{`"1.5"`, "1-12 malformed"},
		{`"1e2"`, "1-12 malformed"},
		{`"0x10"`, "1-12 malformed"},
		{`"1_000"`, "1-12 malformed"},
		{`"+-1"`, "1-12 malformed"},
		{`"- 1"`, "1-12 malformed"},
		{`"Infinity"`, "1-12 malformed"},
		{`"NaN"`, "1-12 malformed"},
		{`null`, "1-12 malformed"},
		{`true`, "1-12 malformed"},
		{`[1]`, "1-12 malformed"},
		{`{}`, "1-12 malformed"},
	} {
		for i, v := range event.Versions {
			name := tt.form + " in " + v.ID
			want := tt.want.of(t, i+1)
			users, inUsers := eventauth.ParsePowerLevels(v, json.RawMessage(`{"users":{"@a:b":`+tt.form+`}}`))
			single, inSingle := eventauth.ParsePowerLevels(v, json.RawMessage(`{"state_default":`+tt.form+`}`))
			events, inEvents := eventauth.ParsePowerLevels(v, json.RawMessage(`{"events":{"a":`+tt.form+`},"state_default":49}`))
			switch {
			case want == "refused":
				requireName(t, "power_levels.users", inUsers)
				requireName(t, "power_levels.users", inSingle)
				requireName(t, "power_levels.users", inEvents)
			case want == "malformed" && i+1 >= 10:
				requireName(t, "power_levels.users", inUsers)
				requireName(t, "power_levels.singles", inSingle)
				requireName(t, "power_levels.maps", inEvents)
			case want == "malformed":
				requireName(t, "power_levels.users", inUsers)
				require.NoError(t, inSingle, name)
				require.NoError(t, inEvents, name)
				require.EqualValues(t, 50, single.StateDefault, name)
				require.EqualValues(t, 49, events.RequiredFor("a", true), name)
			default:
				require.NoError(t, inUsers, name)
				require.NoError(t, inSingle, name)
				require.NoError(t, inEvents, name)
				require.Equal(t, want, fmt.Sprint(users.User("@a:b")), name)
				require.Equal(t, want, fmt.Sprint(single.StateDefault), name)
				require.Equal(t, want, fmt.Sprint(events.RequiredFor("a", true)), name)
			}
		}
	}
}

func requireName(t *testing.T, rule string, err error) {
	t.Helper()
	var rejection *eventauth.Rejection
	require.ErrorAs(t, err, &rejection)
	require.Equal(t, rule, rejection.Name, rejection.Reason)
}

func TestCreators(t *testing.T) {
	t.Parallel()
	for i, v := range event.Versions {
		r := newRoom(t, v, fields{"creator": co, "additional_creators": []string{alice, bob}})
		want := userIDs(co)
		if i+1 == 11 {
			want = userIDs(creator)
		} else if i+1 == 12 {
			want = userIDs(creator, alice, bob)
		}
		require.Equal(t, want, eventauth.Creators(v, r.create), v.ID)
		require.Equal(t, want[0], eventauth.Creator(v, r.create), v.ID)

		odd := newRoom(t, v, fields{"creator": 3})
		if i+1 <= 10 {
			require.Empty(t, eventauth.Creators(v, odd.create))
			require.Zero(t, eventauth.LevelsOf(v, odd.state).User(id.UserID("")))
		}
	}
}
