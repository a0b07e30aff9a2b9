package stateres_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

func TestOrderAndRepetitionOfStatesDoNotMatter(t *testing.T) {
	t.Parallel()
	worlds(t, 12, func(t *testing.T, w *world) {
		sets := w.pick(5)
		want := w.resolve(sets...)
		for range 4 {
			w.rnd.Shuffle(len(sets), func(i, j int) { sets[i], sets[j] = sets[j], sets[i] })
			require.Equal(t, want, w.resolve(sets...))
		}
		require.Equal(t, want, w.resolve(append(slices.Clone(sets), sets...)...))
		// More than the sets of one pass, with all that differs in the second.
		many := append(slices.Repeat(sets[:1], 64), sets[1:]...)
		require.Equal(t, want, w.resolve(many...))
	})
}

func TestOneStateResolvesToItself(t *testing.T) {
	t.Parallel()
	worlds(t, 10, func(t *testing.T, w *world) {
		for _, s := range w.pick(5) {
			require.Equal(t, s, w.resolve(s))
			require.Equal(t, s, w.resolve(s, s, s))
			require.Zero(t, w.fetches)
			changed := w.resolve(s)
			changed[tuple{Type: "new"}] = "$new"
			require.NotContains(t, s, tuple{Type: "new"}, "the result is a new map")
		}
	})
}

// Whatever the states: each event of the result is the event of that place in one of the states, or in an auth chain.
// What was in conflict passes the rules in the result, as far as that can be said of it: names and topics, in rooms
// without faulty servers, where checking started from the state. An author may have left later of his own will, and been
// invited since, or what he was may be in no state, so that his auth events said it.
func TestResultPassesAuth(t *testing.T) {
	t.Parallel()
	var checked atomic.Int64
	t.Cleanup(func() { require.NotZero(t, checked.Load()) })
	worlds(t, 30, func(t *testing.T, w *world) {
		sets := w.pick(5)
		resolved := w.resolve(sets...)
		n := &naive{room: w.room, chains: map[id.EventID]set{}}
		known := set{}
		for _, s := range sets {
			for _, eventID := range s {
				known[eventID] = true
				for a := range n.authChain(eventID) {
					known[a] = true
				}
			}
		}
		for key, eventID := range resolved {
			require.True(t, known[eventID])
			require.Equal(t, key, n.place(eventID))
			if w.faulty || w.v.StateResolution != event.StateResolutionV2 || key.Type != topic && key.Type != oldTopic {
				continue
			}
			inAll := true
			for _, s := range sets {
				inAll = inAll && s[key] == eventID
			}
			author := tuple{Type: member, StateKey: string(w.events[eventID].Sender())}
			last := w.events[resolved[author]]
			if inAll || last == nil || last.Membership() == "invite" ||
				last.Membership() == "leave" && last.StateKeyEquals(string(last.Sender())) {
				continue
			}
			checked.Add(1)
			require.True(t, n.allowed(eventID, resolved), "%s %s, author %s, levels %s",
				key, eventID, last.JSON(), w.events[resolved[tuple{Type: power}]].JSON())
		}
	})
}
