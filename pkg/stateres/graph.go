package stateres

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A MissingError names events that were needed and not returned, sorted.
type MissingError struct{ Events []id.EventID }

func (e *MissingError) Error() string {
	const most = 10
	names := make([]string, 0, most)
	for _, eventID := range e.Events[:min(len(e.Events), most)] {
		names = append(names, string(eventID))
	}
	text := "missing events: " + strings.Join(names, ", ")
	if more := len(e.Events) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

var errCycle = errors.New("the auth chain has a cycle")

// A graph is as much of the auth DAG as was asked for.
type graph struct {
	fetch  Fetch
	limit  int
	loaded int
	index  map[id.EventID]*node
	room   id.RoomID
}

// A node is one event: known by its id first, loaded later.
type node struct {
	id   id.EventID
	ev   *event.Event // nil until loaded
	auth []*node      // set when loaded

	marks mark
	// sets are those of up to 64 state sets whose auth chains have the event.
	sets uint64
	// degree is what a topological order counts down.
	degree int32
	// rank and children are for the reverse topological power ordering: the place that the event would have there but for
	// auth events, and the events there that have this one among theirs.
	rank     int32
	children []*node
	// position in the mainline of the closest mainline event.
	position int
}

type mark uint16

const (
	// conflicted: in the conflicted state set.
	conflicted mark = 1 << iota
	// reached: in conflict, or in the auth chain of what is.
	reached
	// common: in the auth chains of all state sets, because of an unconflicted event.
	common
	// partial: as far as conflicted events tell, in the auth chains of some state sets, but not of all.
	partial
	// undecided: partial, and it matters whether it is common.
	undecided
	// between: leads to an event in conflict.
	between
	// full: in the full conflicted set.
	full
	// sorted: among the events of the reverse topological power ordering.
	sorted
	// placed: position is known.
	placed
)

func (n *node) has(m mark) bool { return n.marks&m != 0 }

func newGraph(fetch Fetch) *graph {
	return &graph{fetch: fetch, limit: DefaultLimit, index: map[id.EventID]*node{}}
}

func (g *graph) node(eventID id.EventID) *node {
	n, ok := g.index[eventID]
	if !ok {
		n = &node{id: eventID}
		g.index[eventID] = n
	}
	return n
}

// load fetches those of the events that were not fetched before.
func (g *graph) load(nodes []*node) error {
	ids := make([]id.EventID, 0, len(nodes))
	for _, n := range nodes {
		if n.ev == nil {
			ids = append(ids, n.id)
		}
	}
	if g.loaded+len(ids) > g.limit {
		return fmt.Errorf("%w: more than %d are needed", ErrTooManyEvents, g.limit)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var missing []id.EventID
	for batch := range slices.Chunk(ids, MaxBatch) {
		events, err := g.fetch(batch)
		if err != nil {
			return fmt.Errorf("fetch %d events: %w", len(batch), err)
		}
		for _, ev := range events {
			if err := g.add(ev); err != nil {
				return err
			}
		}
		for _, eventID := range batch {
			if g.index[eventID].ev == nil {
				missing = append(missing, eventID)
			}
		}
	}
	if len(missing) > 0 {
		return &MissingError{Events: missing}
	}
	return nil
}

func (g *graph) add(ev *event.Event) error {
	n := g.node(ev.ID())
	if n.ev != nil {
		return nil
	}
	if g.loaded++; g.loaded > g.limit {
		return fmt.Errorf("%w: more than %d were fetched", ErrTooManyEvents, g.limit)
	}
	if g.room == "" {
		g.room = ev.RoomID()
	}
	if ev.RoomID() != g.room {
		return fmt.Errorf("event %s is of room %s, not %s", ev.ID(), ev.RoomID(), g.room)
	}
	n.ev = ev
	ids := ev.AuthEvents()
	n.auth = make([]*node, len(ids))
	for i, eventID := range ids {
		n.auth[i] = g.node(eventID)
	}
	return nil
}

// walk marks roots and their auth chains, level by level, and loads and returns them. It does not go beyond events that
// have the mark already. enough, if not nil, hears of each event that is marked, and ends the walk by returning true.
func (g *graph) walk(roots []*node, m mark, enough func(*node) bool) ([]*node, error) {
	var all []*node
	level, next := roots, []*node(nil)
	for len(level) > 0 {
		from := len(all)
		for _, n := range level {
			if n.has(m) {
				continue
			}
			n.marks |= m
			all = append(all, n)
			if enough != nil && enough(n) {
				return all, nil
			}
		}
		if err := g.load(all[from:]); err != nil {
			return nil, err
		}
		next = next[:0]
		for _, n := range all[from:] {
			for _, a := range n.auth {
				if !a.has(m) {
					next = append(next, a)
				}
			}
		}
		level = next
	}
	return all, nil
}

// descending orders nodes, which must have all their auth chains among them, so that each comes before its auth events.
func descending(nodes []*node) ([]*node, error) {
	for _, n := range nodes {
		n.degree = 0
	}
	for _, n := range nodes {
		for _, a := range n.auth {
			a.degree++
		}
	}
	order := make([]*node, 0, len(nodes))
	for _, n := range nodes {
		if n.degree == 0 {
			order = append(order, n)
		}
	}
	for i := 0; i < len(order); i++ {
		for _, a := range order[i].auth {
			if a.degree--; a.degree == 0 {
				order = append(order, a)
			}
		}
	}
	if len(order) < len(nodes) {
		return nil, errCycle
	}
	return order, nil
}

// authEvent returns the auth event of this type with an empty state key, nil if there is none; the auth events must be
// loaded.
func (n *node) authEvent(evType string) *node {
	for _, a := range n.auth {
		if a.ev.Type() == evType && a.ev.StateKeyEquals("") {
			return a
		}
	}
	return nil
}
