package stateres_test

import (
	"testing"

	"github.com/myelin-hs/myelin/pkg/event"
)

// in runs a scenario in a room of each of these versions.
func in(t *testing.T, versions []string, scenario func(t *testing.T, r *room)) {
	for _, version := range versions {
		t.Run("version "+version, func(t *testing.T) {
			t.Parallel()
			scenario(t, newRoom(t, version))
		})
	}
}

var (
	everyAlgorithm = []string{"1", "2", v2, v2p1}
	reloaded       = []string{"2", v2, v2p1}
)

// MSC1442, example 1, "Message 2".
func TestExampleMainlineAtMessage2(t *testing.T) {
	t.Parallel()
	in(t, everyAlgorithm, func(t *testing.T, r *room) {
		left, right := exampleMainline(r)
		requireAt(t, r.resolve(left, right), map[string]string{power: "p2", topic: "t2"})
	})
}

// MSC1442, example 1: alice makes bob a moderator and unmakes him, while he changes the power levels and the topic.
func exampleMainline(r *room) (left, right stateMap) {
	s := r.begin(bob)
	s = r.send(s, "t1", alice, topic, "", content{"topic": 1})
	s = r.send(s, "p1", alice, power, "", r.levels(map[string]int{bob: 50}))
	left = r.send(s, "t2", alice, topic, "", content{"topic": 2})
	left = r.send(left, "p2", alice, power, "", r.levels(nil))
	right = r.send(s, "p3", bob, power, "", r.levels(map[string]int{bob: 50, zara: 1}))
	right = r.send(right, "t3", bob, topic, "", content{"topic": 3})
	return left, right
}

// MSC1442, example 1, "Message 3".
func TestExampleMainlineAtMessage3(t *testing.T) {
	t.Parallel()
	in(t, everyAlgorithm, func(t *testing.T, r *room) {
		merged := r.resolve(exampleMainline(r))
		four := r.send(merged, "t4", alice, topic, "", content{"topic": 4})
		requireAt(t, r.resolve(merged, four), map[string]string{power: "p2", topic: "t4"})
	})
	// The mainline says so, not the clock.
	in(t, []string{"2", v2}, func(t *testing.T, r *room) {
		merged := r.resolve(exampleMainline(r))
		r.ts = 0
		four := r.send(merged, "t4", alice, topic, "", content{"topic": 4})
		requireAt(t, r.resolve(merged, four), map[string]string{topic: "t4"})
	})
}

// MSC1442, example 2: D was rejected for the state it came upon, and is nevertheless what all come to.
func TestExampleRejectedEvents(t *testing.T) {
	t.Parallel()
	in(t, reloaded, func(t *testing.T, r *room) {
		ops := r.send(r.begin(bob), "a", alice, power, "", r.levels(map[string]int{bob: 50}))
		deops := r.send(ops, "b", alice, power, "", r.levels(nil))
		place := tuple{Type: topic}
		d := r.send(ops, "d", bob, topic, "", content{"topic": "D"})
		r.rejected[d[place]] = true
		left := r.send(deops, "unused", alice, oldTopic, "", content{})
		left[place] = d[place]
		right := r.send(deops, "e", alice, power, "", r.levels(map[string]int{bob: 50}))
		requireAt(t, r.resolve(left, right), map[string]string{power: "e", topic: "d"})
	})
}

// Where the state does not say what bob is, the auth event of his topic does, unless it was rejected.
func TestRejectedAuthEventsDoNotStandIn(t *testing.T) {
	t.Parallel()
	in(t, reloaded, func(t *testing.T, r *room) {
		s := r.send(r.begin(bob), "p1", alice, power, "", r.levels(map[string]int{bob: 50}))
		s = r.send(s, "p2", bob, power, "", r.levels(map[string]int{bob: 50, zara: 1}))
		set := r.send(s, "topic", bob, topic, "", content{"topic": 1})
		delete(s, tuple{Type: member, StateKey: bob})
		delete(set, tuple{Type: member, StateKey: bob})
		requireAt(t, r.resolve(s, set), map[string]string{topic: "topic"})
		r.rejected[r.named("joinbob")] = true
		requireAt(t, r.resolve(s, set), map[string]string{topic: ""})
	})
	// Nor does a create event that only the room's id names.
	in(t, []string{v2p1}, func(t *testing.T, r *room) {
		s := r.begin()
		set := r.send(s, "topic", alice, topic, "", content{"topic": 1})
		requireAt(t, r.resolve(s, set), map[string]string{topic: "topic"})
		r.rejected[r.named("create")] = true
		requireAt(t, r.resolve(s, set), map[string]string{topic: ""})
	})
}

// The reasons that MSC1442 gives for a new algorithm: each is a reset in version 1, and none later.
func TestChainOfPromotionsIsReplayed(t *testing.T) {
	t.Parallel()
	in(t, everyAlgorithm, func(t *testing.T, r *room) {
		s := r.begin(bob, charlie)
		pa := r.send(s, "pa", alice, power, "", r.levels(map[string]int{bob: 50}))
		pb := r.send(pa, "pb", bob, power, "", r.levels(map[string]int{bob: 50, charlie: 50}))
		pc := r.send(pb, "pc", charlie, power, "", r.levels(map[string]int{bob: 50, charlie: 0}))
		want := "pc"
		if r.v.StateResolution == event.StateResolutionV1 {
			want = "pa"
		}
		requireAt(t, r.resolve(pc, pa), map[string]string{power: want})
	})
}

// The "Hotel California": a user who left twice is in the room again.
func TestWhoLeftTwiceIsNotRejoined(t *testing.T) {
	t.Parallel()
	in(t, everyAlgorithm, func(t *testing.T, r *room) {
		a := r.send(r.begin(bob), "a", bob, member, bob, membership("leave"))
		b := r.send(a, "b", bob, member, bob, membership("join"))
		c := r.send(b, "c", bob, member, bob, membership("leave"))
		place := member + " " + bob
		v1 := r.v.StateResolution == event.StateResolutionV1
		ac := r.resolve(a, c)
		if v1 {
			requireAt(t, ac, map[string]string{place: "a"})
			requireAt(t, r.resolve(ac, b), map[string]string{place: "b"})
			return
		}
		requireAt(t, ac, map[string]string{place: "c"})
		requireAt(t, r.resolve(ac, b), map[string]string{place: "c"})
	})
}

// What one fork has and another lacks is not beyond doubt.
func TestNoJoinOnAForkFromBeforeTheRoomWasClosed(t *testing.T) {
	t.Parallel()
	in(t, everyAlgorithm, func(t *testing.T, r *room) {
		s := r.begin()
		closed := r.send(s, "closed", alice, joinRules, "", content{joinRuleOf: "invite"})
		joined := r.send(s, "evasion", evelyn, member, evelyn, membership("join"))
		want := ""
		if r.v.StateResolution == event.StateResolutionV1 {
			want = "evasion"
		}
		requireAt(t, r.resolve(closed, joined), map[string]string{joinRules: "closed", member + " " + evelyn: want})
	})
}

// Depth is what a server says it is.
func TestDepthDoesNotBringBackAnOldTopic(t *testing.T) {
	t.Parallel()
	in(t, everyAlgorithm, func(t *testing.T, r *room) {
		s := r.begin(bob)
		s = r.send(s, "p1", alice, power, "", r.levels(map[string]int{bob: 50}))
		r.depth = 1 << 40
		old := r.send(s, "old", bob, topic, "", content{"topic": 1})
		r.depth = 20
		s = r.send(s, "p2", alice, power, "", r.levels(map[string]int{bob: 50, zara: 1}))
		s = r.send(s, "new", alice, topic, "", content{"topic": 2})
		want := "new"
		if r.v.StateResolution == event.StateResolutionV1 {
			want = "old"
		}
		requireAt(t, r.resolve(old, s), map[string]string{power: "p2", topic: want})
	})
}

func TestBanBeatsTheBannedModerator(t *testing.T) {
	t.Parallel()
	in(t, reloaded, func(t *testing.T, r *room) {
		s := r.send(r.begin(bob), "pa", alice, power, "", r.levels(map[string]int{bob: 50}))
		left := r.send(s, "mb", alice, member, bob, membership("ban"))
		right := r.send(s, "pb", bob, power, "", r.levels(map[string]int{bob: 50, charlie: 1}))
		requireAt(t, r.resolve(left, right), map[string]string{power: "pa", member + " " + bob: "mb"})
	})
}

// MSC1442, "State Resets", says what still happens: a topic goes with its banned author where an old fork is merged.
func TestBannedAuthorsTopicFallsBack(t *testing.T) {
	t.Parallel()
	in(t, reloaded, func(t *testing.T, r *room) {
		old := r.send(r.begin(bob), "t1", alice, topic, "", content{"topic": 1})
		s := r.send(old, "pa", alice, power, "", r.levels(map[string]int{bob: 50}))
		s = r.send(s, "t2", bob, topic, "", content{"topic": 2})
		s = r.send(s, "mb", alice, member, bob, membership("ban"))
		requireAt(t, r.resolve(old, s), map[string]string{topic: "t1", power: "pa", member + " " + bob: "mb"})
	})
}

// Without power levels, the creator's event goes first, although it is later. It gives bob the power that he took.
func TestCreatorHasPowerWithoutPowerLevels(t *testing.T) {
	t.Parallel()
	in(t, reloaded, func(t *testing.T, r *room) {
		s := r.send(nil, "create", alice, create, "", content{"creator": alice, "room_version": r.v.ID})
		s = r.send(s, "joinalice", alice, member, alice, membership("join"))
		s = r.send(s, "public", alice, joinRules, "", content{joinRuleOf: "public"})
		s = r.send(s, "joinbob", bob, member, bob, membership("join"))
		early := r.send(s, "pb", bob, power, "", r.levels(map[string]int{bob: 50, zara: 1}))
		late := r.send(s, "pa", alice, power, "", r.levels(map[string]int{bob: 50}))
		requireAt(t, r.resolve(early, late), map[string]string{power: "pb"})
	})
}

func TestTiesGoByTimeThenID(t *testing.T) {
	t.Parallel()
	in(t, reloaded, func(t *testing.T, r *room) {
		s := r.begin()
		a := r.send(s, "a", alice, topic, "", content{"topic": 1})
		b := r.send(s, "b", alice, topic, "", content{"topic": 2})
		requireAt(t, r.resolve(b, a), map[string]string{topic: "b"})
		r.ts--
		c := r.send(s, "B", alice, topic, "", content{"topic": 3})
		requireAt(t, r.resolve(c, b), map[string]string{topic: "b"})
		requireAt(t, r.resolve(b, c), map[string]string{topic: "b"})
		// Join rules are power events: their ties go the same way.
		x := r.send(s, "x", alice, joinRules, "", content{joinRuleOf: "invite"})
		r.ts -= 5
		y := r.send(s, "y", alice, joinRules, "", content{joinRuleOf: "knock"})
		requireAt(t, r.resolve(x, y), map[string]string{joinRules: "x"})
	})
}
