package stateres

import (
	"fmt"

	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A conflict is one place at which state sets differ.
type conflict struct {
	key    eventauth.StateKeyTuple
	events []*node
	// in lists, for each of events, the indices of the state sets that have it there.
	in [][]int
}

// separate fills unconflicted and conflicts. absence is whether a set that has nothing at a place differs from one that
// has something.
func (r *resolver) separate(absence bool) {
	r.unconflicted = make(StateMap, len(r.sets[0]))
	seen := map[eventauth.StateKeyTuple]bool{} // those in conflict
	for i, set := range r.sets {
		for key := range set {
			if i > 0 {
				if _, ok := r.unconflicted[key]; ok || seen[key] {
					continue
				}
			}
			if agreed, ok := r.agreed(key, absence); ok {
				r.unconflicted[key] = agreed
				continue
			}
			seen[key] = true
			r.conflicts = append(r.conflicts, r.conflictAt(key))
		}
	}
}

// agreed returns the event at a place if the sets do not differ there.
func (r *resolver) agreed(key eventauth.StateKeyTuple, absence bool) (id.EventID, bool) {
	var first id.EventID
	for _, set := range r.sets {
		switch eventID, ok := set[key]; {
		case !ok && absence:
			return "", false
		case !ok:
		case first == "":
			first = eventID
		case eventID != first:
			return "", false
		}
	}
	return first, true
}

func (r *resolver) conflictAt(key eventauth.StateKeyTuple) conflict {
	c := conflict{key: key}
	at := map[id.EventID]int{}
	for i, set := range r.sets {
		eventID, ok := set[key]
		if !ok {
			continue
		}
		n, ok := at[eventID]
		if !ok {
			n = len(c.events)
			at[eventID] = n
			c.events, c.in = append(c.events, r.graph.node(eventID)), append(c.in, nil)
		}
		c.in[n] = append(c.in[n], i)
	}
	return c
}

// checkPlaces makes sure that events in conflict are what their place says.
func (r *resolver) checkPlaces() error {
	for _, c := range r.conflicts {
		for _, n := range c.events {
			if n.ev.Type() != c.key.Type || !n.ev.StateKeyEquals(c.key.StateKey) {
				return fmt.Errorf("event %s is not one of type %q with the state key %q, as a state has it",
					n.id, c.key.Type, c.key.StateKey)
			}
		}
	}
	return nil
}

func (r *resolver) conflictedNodes() []*node {
	nodes := make([]*node, 0, 2*len(r.conflicts))
	for _, c := range r.conflicts {
		nodes = append(nodes, c.events...)
	}
	return nodes
}
