package stateres_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
)

// A world is a room whose history forks and merges at random.
type world struct {
	*room
	rnd *rand.Rand
	// after are the states after each event so far.
	after []stateMap
	// all events of each place.
	history map[tuple][]id.EventID
	// faulty servers mix old events into the states that they claim, and users send what they may not.
	faulty bool
	denied set
}

var users = []string{alice, bob, charlie, dave, evelyn, zara}

func newWorld(t testing.TB, version string, seed uint64, events int, faulty bool) *world {
	w := &world{
		room: newRoom(t, version), rnd: rand.New(rand.NewPCG(seed, 1)), history: map[tuple][]id.EventID{}, faulty: faulty, denied: set{},
	}
	s := w.begin(users[1:4]...)
	s = w.send(s, "moderator", alice, power, "", w.levels(map[string]int{bob: 50, charlie: 50}))
	w.after = append(w.after, s)
	for i := range events {
		w.step(fmt.Sprintf("e%d", i))
	}
	return w
}

func (w *world) user() string { return users[w.rnd.IntN(len(users))] }

// pick returns the states after some events, mostly late ones.
func (w *world) pick(most int) []stateMap {
	var sets []stateMap
	for range 1 + w.rnd.IntN(most) {
		back := min(w.rnd.IntN(12), w.rnd.IntN(len(w.after)))
		if w.rnd.IntN(6) == 0 {
			back = w.rnd.IntN(len(w.after))
		}
		s := w.after[len(w.after)-1-back]
		if w.faulty && w.rnd.IntN(4) == 0 {
			s = w.spoil(s)
		}
		sets = append(sets, s)
	}
	return sets
}

// spoil puts old events in some places of a state, or removes them.
func (w *world) spoil(s stateMap) stateMap {
	s = maps.Clone(s)
	keys := slices.SortedFunc(maps.Keys(w.history), func(x, y tuple) int {
		return slices.Compare([]string{x.Type, x.StateKey}, []string{y.Type, y.StateKey})
	})
	for _, key := range keys {
		switch w.rnd.IntN(6) {
		case 0:
			s[key] = w.history[key][w.rnd.IntN(len(w.history[key]))]
		case 1:
			delete(s, key)
		}
	}
	return s
}

// step adds an event after some others, if it is allowed there.
func (w *world) step(name string) {
	sets := w.pick(3)
	n := &naive{room: w.room, chains: map[id.EventID]set{}}
	before := n.resolve(sets...)
	sender, evType, key, c := w.action()
	w.room.ts = int64(w.rnd.IntN(40))
	w.room.depth = int64(5 + w.rnd.IntN(8))
	after := w.send(before, name, sender, evType, key, c)
	eventID := w.named(name)
	if !n.allowed(eventID, before) {
		if !w.faulty || w.rnd.IntN(3) > 0 {
			delete(w.events, eventID)
			return
		}
		w.rejected[eventID] = w.rnd.IntN(2) == 0
	}
	place := tuple{Type: evType, StateKey: key}
	w.history[place] = append(w.history[place], eventID)
	w.after = append(w.after, after)
}

func (w *world) action() (sender, evType, key string, c content) {
	sender = w.user()
	switch w.rnd.IntN(12) {
	case 0, 1:
		levels := map[string]int{}
		for _, user := range users[1:] {
			if level := w.rnd.IntN(4); level > 0 {
				levels[user] = level * 25
			}
		}
		c = w.levels(levels)
		if w.rnd.IntN(3) == 0 {
			c["users_default"] = 10
		}
		return sender, power, "", c
	case 2:
		return sender, joinRules, "", content{joinRuleOf: []string{"public", "invite", "knock"}[w.rnd.IntN(3)]}
	case 3, 4, 5:
		return sender, member, sender, membership("join")
	case 6:
		return sender, member, sender, membership("leave")
	case 7:
		return sender, member, w.user(), membership("ban")
	case 8:
		return sender, member, w.user(), membership([]string{"leave", "invite"}[w.rnd.IntN(2)])
	case 9:
		return sender, oldTopic, "", content{"name": w.rnd.IntN(1000)}
	}
	return sender, topic, "", content{"topic": w.rnd.IntN(1000)}
}

// worlds runs a test in many rooms: of each algorithm, well-behaved and not.
func worlds(t *testing.T, count int, test func(t *testing.T, w *world)) {
	for _, version := range []string{"1", "2", v2, v2p1} {
		for _, faulty := range []bool{false, true} {
			t.Run(fmt.Sprintf("version %s, faulty %v", version, faulty), func(t *testing.T) {
				t.Parallel()
				for seed := range count {
					test(t, newWorld(t, version, uint64(seed), 60, faulty))
					if t.Failed() {
						t.Fatalf("seed %d", seed)
					}
				}
			})
		}
	}
}

func TestResultIsThatOfTheSpecificationsText(t *testing.T) {
	t.Parallel()
	worlds(t, 40, func(t *testing.T, w *world) {
		w.room.t = t
		for range 6 {
			sets := w.pick(5)
			require.Equal(t, w.naively(sets...), w.resolve(sets...))
		}
	})
}
