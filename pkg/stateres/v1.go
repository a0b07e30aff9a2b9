package stateres

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"slices"
)

// resolveV1 is the algorithm of room version 1 ("State resolution").
func (r *resolver) resolveV1() error {
	r.separate(false)
	if len(r.conflicts) == 0 {
		return nil
	}
	nodes := r.conflictedNodes()
	if err := r.graph.load(nodes); err != nil {
		return err
	}
	if err := r.checkPlaces(); err != nil {
		return err
	}
	s := r.newState()
	if err := s.startFrom(r.unconflicted, nodes); err != nil {
		return err
	}
	for _, evType := range []string{typePowerLevels, typeJoinRules, typeMember, ""} {
		chosen := map[*conflict]*node{}
		for i := range r.conflicts {
			c := &r.conflicts[i]
			pick := s.latestAllowed
			switch c.key.Type {
			case typePowerLevels, typeJoinRules, typeMember:
				if c.key.Type != evType {
					continue
				}
				pick = s.lastOfChain
			default:
				if evType != "" {
					continue
				}
			}
			n, err := pick(c)
			if err != nil {
				return err
			}
			chosen[c] = n
		}
		// What one conflict came to counts only from the next type on.
		for c, n := range chosen {
			s.events[c.key] = n.ev
		}
	}
	for key, ev := range s.events {
		r.unconflicted[key] = ev.ID()
	}
	return nil
}

// lastOfChain takes the earliest event as it is, and then each that is allowed by the one before, up to the first that is
// not.
func (s *state) lastOfChain(c *conflict) (*node, error) {
	order := byDepth(c.events)
	slices.Reverse(order)
	last := order[0]
	defer delete(s.events, c.key)
	for _, n := range order[1:] {
		s.events[c.key] = last.ev
		ok, err := s.allows(n)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		last = n
	}
	return last, nil
}

// latestAllowed takes the latest event that is allowed, the earliest if none is.
func (s *state) latestAllowed(c *conflict) (*node, error) {
	order := byDepth(c.events)
	for _, n := range order {
		if ok, err := s.allows(n); ok || err != nil {
			return n, err
		}
	}
	return order[len(order)-1], nil
}

// byDepth orders events by descending depth, then by the ascending SHA-1 of their ids.
func byDepth(events []*node) []*node {
	type keyed struct {
		*node
		sum [sha1.Size]byte
	}
	some := make([]keyed, len(events))
	for i, n := range events {
		some[i] = keyed{n, sha1.Sum([]byte(n.id))}
	}
	slices.SortFunc(some, func(x, y keyed) int {
		return cmp.Or(cmp.Compare(y.ev.Depth(), x.ev.Depth()), bytes.Compare(x.sum[:], y.sum[:]))
	})
	order := make([]*node, len(some))
	for i, k := range some {
		order[i] = k.node
	}
	return order
}
