package stateres_test

import (
	"maps"
	"testing"

	"github.com/myelin-hs/myelin/pkg/event"
)

// resets runs a scenario of MSC4297: with the algorithm of version 2 it resets state, with 2.1 it does not, in the same
// room too.
func resets(t *testing.T, scenario func(t *testing.T, r *room, reset bool)) {
	in(t, []string{"2", v2}, func(t *testing.T, r *room) { scenario(t, r, true) })
	in(t, []string{v2p1}, func(t *testing.T, r *room) {
		scenario(t, r, false)
		older := newRoom(t, v2p1)
		version := *older.v
		version.StateResolution = event.StateResolutionV2
		older.v = &version
		scenario(t, older, true)
	})
}

// MSC4297, problem A: alice, who made the join rules, left. A server gives out a state with join rules of before.
func TestJoinRulesOfSomebodyWhoLeft(t *testing.T) {
	t.Parallel()
	resets(t, func(t *testing.T, r *room, reset bool) {
		s := r.send(nil, "create", alice, create, "", content{"creator": alice, "room_version": r.v.ID})
		s = r.send(s, "joinalice", alice, member, alice, membership("join"))
		s = r.send(s, "power", alice, power, "", r.levels(map[string]int{bob: 100}))
		s = r.send(s, "jr1", alice, joinRules, "", content{joinRuleOf: "public"})
		s = r.send(s, "joinbob", bob, member, bob, membership("join"))
		s = r.send(s, "jr2", alice, joinRules, "", content{joinRuleOf: "invite"})
		s = r.send(s, "leavealice", alice, member, alice, membership("leave"))
		old := maps.Clone(s)
		old[tuple{Type: joinRules}] = r.named("jr1")
		want := "jr2"
		if reset {
			want = ""
		}
		requireAt(t, r.resolve(s, old), map[string]string{
			joinRules: want, power: "power", member + " " + alice: "leavealice", member + " " + bob: "joinbob",
		})
	})
}

// MSC4297, problem B: alice promotes bob, bob promotes charlie. A server gives out a state with the power levels of
// before, although it knows of what came after.
func TestPromotionsBetweenTwoPowerLevels(t *testing.T) {
	t.Parallel()
	resets(t, func(t *testing.T, r *room, reset bool) {
		s := r.begin(bob, charlie)
		p2 := r.send(s, "p2", alice, power, "", r.levels(map[string]int{bob: 50}))
		p3 := r.send(p2, "p3", bob, power, "", r.levels(map[string]int{bob: 50, charlie: 50}))
		eve := r.send(p3, "eve1", evelyn, member, evelyn, membership("join"))
		old := maps.Clone(eve)
		old[tuple{Type: power}] = r.named("power")
		old = r.send(old, "eve2", evelyn, member, evelyn, content{"membership": "join", "displayname": "Eve"})
		zara_ := r.send(p3, "joinzara", zara, member, zara, membership("join"))
		want := map[string]string{
			power: "p3", joinRules: "public", member + " " + evelyn: "eve1", member + " " + zara: "joinzara",
		}
		if reset {
			want[power], want[member+" "+evelyn] = "power", "eve2"
		}
		requireAt(t, r.resolve(old, zara_), want)
	})
}
