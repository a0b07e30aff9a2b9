package stateres

import (
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
)

// A state is a room's state while it is resolved: what the authorisation rules are applied to.
type state struct {
	r *resolver
	// events were added by checking, over base.
	events map[eventauth.StateKeyTuple]*event.Event
	base   StateMap
	// checked is the event being checked, whose auth events stand in for what the state lacks; nil in version 1.
	checked *node
	// err is what went wrong with loading an event of base.
	err error
}

func (r *resolver) newState() *state {
	return &state{r: r, events: map[eventauth.StateKeyTuple]*event.Event{}}
}

// startFrom sets the base, and loads at once what the rules need of it for these events.
func (s *state) startFrom(base StateMap, events []*node) error {
	s.base = base
	var needed []*node
	seen := map[*node]bool{}
	need := func(key eventauth.StateKeyTuple) {
		if eventID, ok := base[key]; ok {
			if n := s.r.graph.node(eventID); !seen[n] {
				seen[n] = true
				needed = append(needed, n)
			}
		}
	}
	need(eventauth.StateKeyTuple{Type: typeCreate})
	need(eventauth.StateKeyTuple{Type: typePowerLevels})
	for _, n := range events {
		var stateKey *string
		if key, ok := n.ev.StateKey(); ok {
			stateKey = &key
		}
		for _, key := range eventauth.AuthTypesFor(s.r.v, n.ev.Type(), n.ev.Sender(), stateKey, n.ev.Content()) {
			need(key)
		}
	}
	return s.r.graph.load(needed)
}

// current returns the event of this type, with an empty state key, that the state has by itself.
func (s *state) current(evType string) *event.Event {
	return s.own(eventauth.StateKeyTuple{Type: evType})
}

func (s *state) own(key eventauth.StateKeyTuple) *event.Event {
	if ev, ok := s.events[key]; ok {
		return ev
	}
	eventID, ok := s.base[key]
	if !ok {
		return nil
	}
	n := s.r.graph.node(eventID)
	// The rules should ask for nothing that startFrom has not loaded. If they do, it costs a fetch, not the right answer.
	if n.ev == nil {
		if err := s.r.graph.load([]*node{n}); err != nil {
			s.err = err
			return nil
		}
	}
	return n.ev
}

// Fact makes it an eventauth.State.
func (s *state) Fact(evType, stateKey string) eventauth.Fact {
	return eventauth.FactOf(s.event(evType, stateKey))
}

func (s *state) event(evType, stateKey string) *event.Event {
	if ev := s.own(eventauth.StateKeyTuple{Type: evType, StateKey: stateKey}); ev != nil || s.checked == nil {
		return ev
	}
	if evType == typeCreate && stateKey == "" && s.r.create != nil {
		return s.r.create
	}
	for _, a := range s.checked.auth {
		if a.ev.Type() == evType && a.ev.StateKeyEquals(stateKey) && !s.r.rejected(a.id) {
			return a.ev
		}
	}
	return nil
}

// PowerLevels is eventauth.LevelsState.
func (s *state) PowerLevels() *eventauth.PowerLevels {
	return s.r.powerLevels(levelsKey{create: s.event(typeCreate, ""), levels: s.event(typePowerLevels, "")})
}

// allows reports whether the rules allow the event.
func (s *state) allows(n *node) (bool, error) {
	err := eventauth.Check(s.r.v, n.ev, s)
	return err == nil, s.err
}

// apply is the iterative auth checks algorithm: each event in turn becomes part of the state if that allows it.
func (s *state) apply(order []*node) error {
	for _, n := range order {
		key, isState := n.ev.StateKey()
		if !isState {
			continue
		}
		s.checked = n
		ok, err := s.allows(n)
		if err != nil {
			return err
		}
		if ok {
			s.events[eventauth.StateKeyTuple{Type: n.ev.Type(), StateKey: key}] = n.ev
		}
	}
	return nil
}
