package stateres

import (
	"cmp"
	"container/heap"
	"slices"
)

// powerOrder takes the power events of the full conflicted set, with those of their auth chains that are also in it, and
// puts them in reverse topological power ordering: Kahn's algorithm, which takes the smallest of those whose auth events
// have all been taken. Events in between that are not to be sorted are passed through as soon as they can be.
func (r *resolver) powerOrder(set []*node) ([]*node, error) {
	var power []*node
	for _, n := range set {
		if isPower(n.ev) {
			power = append(power, n)
		}
	}
	chains, err := r.graph.walk(power, chained, nil)
	if err != nil {
		return nil, err
	}
	r.rank(chains)
	for _, n := range chains {
		n.degree = int32(len(n.auth))
		for _, a := range n.auth {
			a.children = append(a.children, n)
		}
	}
	var through []*node // ready, not to be sorted
	var ready rankHeap
	add := func(n *node) {
		if n.has(sorted) {
			heap.Push(&ready, n)
		} else {
			through = append(through, n)
		}
	}
	for _, n := range chains {
		if n.degree == 0 {
			add(n)
		}
	}
	var order []*node
	for len(through)+len(ready) > 0 {
		var n *node
		if last := len(through) - 1; last >= 0 {
			n, through = through[last], through[:last]
		} else {
			n = heap.Pop(&ready).(*node)
			order = append(order, n)
		}
		for _, child := range n.children {
			if child.degree--; child.degree == 0 {
				add(child)
			}
		}
	}
	return order, nil
}

// rank marks the events to sort and sets the rank of each: more power first, then the earlier, then the lesser id.
func (r *resolver) rank(chains []*node) {
	type keyed struct {
		*node
		level int64
	}
	var some []keyed
	for _, n := range chains {
		if n.has(full) {
			n.marks |= sorted
			some = append(some, keyed{n, r.senderLevel(n)})
		}
	}
	slices.SortFunc(some, func(x, y keyed) int {
		return cmp.Or(cmp.Compare(y.level, x.level), byTime(x.node, y.node))
	})
	for i, k := range some {
		k.rank = int32(i)
	}
}

// senderLevel returns the power level of the event's sender according to its auth events.
func (r *resolver) senderLevel(n *node) int64 {
	k := levelsKey{create: r.create}
	if create := n.authEvent(typeCreate); create != nil && !r.v.RoomIDFromCreate {
		k.create = create.ev
	}
	if levels := n.authEvent(typePowerLevels); levels != nil {
		k.levels = levels.ev
	}
	return r.powerLevels(k).User(n.ev.Sender())
}

// byTime orders events by origin_server_ts, then by id.
func byTime(x, y *node) int {
	return cmp.Or(cmp.Compare(x.ev.OriginServerTS(), y.ev.OriginServerTS()), cmp.Compare(x.id, y.id))
}

// A rankHeap is a heap.Interface with the node of the least rank on top.
type rankHeap []*node

func (h rankHeap) Len() int           { return len(h) }
func (h rankHeap) Less(i, j int) bool { return h[i].rank < h[j].rank }
func (h rankHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *rankHeap) Push(x any)        { *h = append(*h, x.(*node)) }

func (h *rankHeap) Pop() any {
	last := len(*h) - 1
	n := (*h)[last]
	*h = (*h)[:last]
	return n
}
