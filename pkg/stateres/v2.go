package stateres

import (
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// resolveV2 is the algorithm of room versions 2 and 12 ("State resolution", "Algorithm"; MSC1442). They differ in two
// things (MSC4297): whether checking starts from the unconflicted state, or from an empty one; and whether the full
// conflicted set includes the conflicted state subgraph.
func (r *resolver) resolveV2(fromUnconflicted, subgraph bool) error {
	r.separate(true)
	if len(r.conflicts) == 0 {
		return nil
	}
	set, err := r.fullConflictedSet(subgraph)
	if err != nil {
		return err
	}
	if err := r.findCreate(); err != nil {
		return err
	}
	s := r.newState()
	if fromUnconflicted {
		if err := s.startFrom(r.unconflicted, set); err != nil {
			return err
		}
	}

	if err := s.apply(r.powerOrder(set)); err != nil { // 1, 2
		return err
	}
	order, err := r.mainlineOrder(set, s.current(typePowerLevels)) // 3
	if err != nil {
		return err
	}
	if err := s.apply(order); err != nil { // 4
		return err
	}
	for key, ev := range s.events { // 5
		if _, ok := r.unconflicted[key]; !ok {
			r.unconflicted[key] = ev.ID()
		}
	}
	return nil
}

// findCreate gets the create event, if events do not name it as an auth event because the room's id does.
func (r *resolver) findCreate() error {
	if !r.v.RoomIDFromCreate {
		return nil
	}
	n := r.graph.node(id.EventID("$" + string(r.graph.room)[1:]))
	if err := r.graph.load([]*node{n}); err != nil {
		return err
	}
	if !r.rejected(n.id) {
		r.create = n.ev
	}
	return nil
}

// isPower reports whether an event is a power event: one that might take away what somebody may do.
func isPower(ev *event.Event) bool {
	key, isState := ev.StateKey()
	if !isState {
		return false
	}
	switch ev.Type() {
	case typePowerLevels, typeJoinRules:
		return true
	case typeMember:
		membership := ev.Membership()
		return (membership == "leave" || membership == "ban") && string(ev.Sender()) != key
	}
	return false
}
