package stateres

// fullConflictedSet loads the auth chains of what is in conflict and returns the full conflicted set, with the conflicted
// state subgraph if that is wanted.
func (r *resolver) fullConflictedSet(subgraph bool) ([]*node, error) {
	roots := r.conflictedNodes()
	for _, n := range roots {
		n.marks |= conflicted
	}
	chains, err := r.graph.walk(roots, reached, nil)
	if err != nil {
		return nil, err
	}
	if err := r.checkPlaces(); err != nil {
		return nil, err
	}
	order, err := descending(chains)
	if err != nil {
		return nil, err
	}
	r.markPartial(order)
	if subgraph {
		markBetween(order)
	}
	if err := r.markCommon(order); err != nil {
		return nil, err
	}
	var set []*node
	for _, n := range order {
		if n.has(conflicted|between) || n.has(undecided) && !n.has(common) {
			n.marks |= full
			set = append(set, n)
		}
	}
	return set, nil
}

// markPartial finds the events that are not in the auth chains of all state sets, as far as events in conflict tell. One
// pass over the chains does it for 64 sets.
func (r *resolver) markPartial(order []*node) {
	for base := 0; base < len(r.sets); base += 64 {
		for _, n := range order {
			n.sets = 0
		}
		for _, c := range r.conflicts {
			for i, n := range c.events {
				for _, set := range c.in[i] {
					if base <= set && set < base+64 {
						n.sets |= 1 << (set - base)
					}
				}
			}
		}
		all := ^uint64(0) >> (64 - min(64, len(r.sets)-base))
		for _, n := range order {
			if n.sets != all {
				n.marks |= partial
			}
			for _, a := range n.auth {
				a.sets |= n.sets
			}
		}
	}
}

// markBetween marks the conflicted state subgraph: everything here can be reached from an event in conflict, so what
// leads to another is on a path between two.
func markBetween(order []*node) {
	for i := len(order) - 1; i >= 0; i-- {
		n := order[i]
		if n.has(conflicted) {
			n.marks |= between
		}
		for _, a := range n.auth {
			n.marks |= a.marks & between
		}
	}
}

// markCommon finds which partial events are in the auth chains of all state sets nevertheless: unconflicted ones, and what
// those lead to. Only for their sake are the chains of unconflicted events loaded, and no further than needed.
func (r *resolver) markCommon(order []*node) error {
	left := 0
	for _, n := range order {
		if n.has(partial) && !n.has(conflicted|between) {
			n.marks |= undecided
			left++
		}
	}
	if left == 0 {
		return nil
	}
	roots := make([]*node, 0, len(r.unconflicted))
	for _, eventID := range r.unconflicted {
		roots = append(roots, r.graph.node(eventID))
	}
	_, err := r.graph.walk(roots, common, func(n *node) bool {
		if n.has(undecided) {
			left--
		}
		return left == 0
	})
	return err
}
