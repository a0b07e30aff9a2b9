package persister

import (
	"cmp"
	"slices"

	"github.com/myelin-hs/myelin/pkg/eventauth"
)

// facts are a room's state, sorted by place: a map would take half as much again. They are an [eventauth.State].
type facts []*fact

// sortedFacts takes facts in any order. Of several at one place the last counts.
func sortedFacts(all []*fact) facts {
	slices.SortStableFunc(all, func(a, b *fact) int { return comparePlaces(a.place(), b.place()) })
	kept := all[:0]
	for i, f := range all {
		if i+1 == len(all) || all[i+1].place() != f.place() {
			kept = append(kept, f)
		}
	}
	return slices.Clone(facts(kept)) // no larger than it has to be
}

func comparePlaces(a, b eventauth.StateKeyTuple) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.StateKey, b.StateKey))
}

// search returns where the place is, or would be.
func (s facts) search(place eventauth.StateKeyTuple) (int, bool) {
	return slices.BinarySearchFunc(s, place, func(f *fact, place eventauth.StateKeyTuple) int { return comparePlaces(f.place(), place) })
}

func (s facts) at(evType, stateKey string) *fact {
	if i, found := s.search(eventauth.StateKeyTuple{Type: evType, StateKey: stateKey}); found {
		return s[i]
	}
	return nil
}

// Fact returns nil, not a nil *fact, where there is none.
func (s facts) Fact(evType, stateKey string) eventauth.Fact {
	if f := s.at(evType, stateKey); f != nil {
		return f
	}
	return nil
}

// set puts a fact in its place and returns the one that was there, nil if none was.
func (s *facts) set(f *fact) (was *fact) {
	i, found := s.search(f.place())
	if found {
		was, (*s)[i] = (*s)[i], f
		return was
	}
	*s = slices.Insert(*s, i, f)
	return nil
}
