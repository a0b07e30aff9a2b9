package stateres

import (
	"cmp"
	"math"
	"slices"

	"github.com/myelin-hs/myelin/pkg/event"
)

// offMainline is the position of events from which no event of the mainline can be found.
const offMainline = math.MaxInt

// mainlineOrder puts those of the full conflicted set that the power ordering left over in mainline ordering, based on
// levels, which may be nil. Each m.room.power_levels event is looked at once.
func (r *resolver) mainlineOrder(set []*node, levels *event.Event) ([]*node, error) {
	if levels != nil {
		position := 0
		for n := r.graph.node(levels.ID()); n != nil; n = n.authEvent(typePowerLevels) {
			if n.has(placed) {
				return nil, errCycle
			}
			n.marks |= placed
			n.position = position
			position++
			if err := r.graph.load(n.auth); err != nil {
				return nil, err
			}
		}
	}
	type keyed struct {
		*node
		position int
	}
	var rest []keyed
	for _, n := range set {
		if !n.has(sorted) {
			rest = append(rest, keyed{n, mainlinePosition(n)})
		}
	}
	slices.SortFunc(rest, func(x, y keyed) int {
		return cmp.Or(cmp.Compare(y.position, x.position), byTime(x.node, y.node))
	})
	order := make([]*node, len(rest))
	for i, k := range rest {
		order[i] = k.node
	}
	return order, nil
}

// mainlinePosition follows the power levels that an event cites up to the mainline, and tells it to all that it passed.
func mainlinePosition(n *node) int {
	first := n.authEvent(typePowerLevels)
	end, position := first, offMainline
	for end != nil && !end.has(placed) {
		end = end.authEvent(typePowerLevels)
	}
	if end != nil {
		position = end.position
	}
	for p := first; p != end; p = p.authEvent(typePowerLevels) {
		p.marks |= placed
		p.position = position
	}
	return position
}
