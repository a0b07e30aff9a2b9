package stateres

import (
	"cmp"
	"container/heap"
	"slices"
)

// powerOrder takes the power events of the full conflicted set, with those of their auth chains that are also in it, and
// puts them in reverse topological power ordering: Kahn's algorithm, which takes the smallest of those whose auth events
// have all been taken.
func (r *resolver) powerOrder(set []*node) []*node {
	some := rank(r.withChains(set))
	var ready rankHeap
	for _, n := range some {
		n.degree = 0
		for _, a := range n.auth {
			if a.has(sorted) {
				n.degree++
				a.children = append(a.children, n)
			}
		}
		if n.degree == 0 {
			ready = append(ready, n)
		}
	}
	heap.Init(&ready)
	order := make([]*node, 0, len(some))
	for len(ready) > 0 {
		n := heap.Pop(&ready).(*node)
		order = append(order, n)
		for _, child := range n.children {
			if child.degree--; child.degree == 0 {
				heap.Push(&ready, child)
			}
		}
	}
	return order
}

// A powered event has the power level of its sender with it.
type powered struct {
	*node
	level int64
}

// withChains returns the power events of the full conflicted set and what leads from them to others of the set, and
// marks them as sorted.
func (r *resolver) withChains(set []*node) []powered {
	var some []powered
	add := func(n *node) {
		if n.has(full) && !n.has(sorted) {
			n.marks |= sorted
			some = append(some, powered{n, r.senderLevel(n)})
		}
	}
	for _, n := range set {
		if isPower(n.ev) {
			add(n)
		}
	}
	for i := 0; i < len(some); i++ {
		for _, a := range some[i].auth {
			add(a)
		}
	}
	return some
}

// rank tells each event its place if there were no auth events: more power first, then the earlier, then the lesser id.
func rank(some []powered) []*node {
	slices.SortFunc(some, func(x, y powered) int {
		return cmp.Or(cmp.Compare(y.level, x.level), byTime(x.node, y.node))
	})
	nodes := make([]*node, len(some))
	for i, p := range some {
		p.rank = int32(i)
		nodes[i] = p.node
	}
	return nodes
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
