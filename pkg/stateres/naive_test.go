package stateres_test

import (
	"crypto/sha1"
	"encoding/json"
	"maps"
	"math"
	"slices"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// naive is state resolution as the specification's text has it, definition by definition, with no thought of cost. It
// departs from the text where the package says so.
type naive struct {
	*room
	chains map[id.EventID]set
	// literal is without these departures.
	literal bool
}

type set map[id.EventID]bool

func (s set) sorted() []id.EventID { return slices.Sorted(maps.Keys(s)) }

func (n *naive) authChain(e id.EventID) set {
	if chain, ok := n.chains[e]; ok {
		return chain
	}
	chain := set{}
	for _, a := range n.events[e].AuthEvents() {
		chain[a] = true
		maps.Copy(chain, n.authChain(a))
	}
	n.chains[e] = chain
	return chain
}

// chainWithin is the part of the auth chain in a set, along paths through the set.
func (n *naive) chainWithin(e id.EventID, in set) set {
	chain := set{}
	if n.literal {
		for a := range n.authChain(e) {
			if in[a] {
				chain[a] = true
			}
		}
		return chain
	}
	for _, a := range n.events[e].AuthEvents() {
		if in[a] {
			chain[a] = true
			maps.Copy(chain, n.chainWithin(a, in))
		}
	}
	return chain
}

func (r *room) naively(sets ...stateMap) stateMap {
	n := &naive{room: r, chains: map[id.EventID]set{}}
	return n.resolve(sets...)
}

func (n *naive) resolve(sets ...stateMap) stateMap {
	if n.v.StateResolution == event.StateResolutionV1 {
		return n.resolveV1(sets)
	}
	v21 := n.v.StateResolution == event.StateResolutionV21

	// Unconflicted state map and conflicted state set.
	unconflicted, conflicted := stateMap{}, set{}
	for _, s := range sets {
		for k, v := range s {
			everywhere := true
			for _, other := range sets {
				if got, ok := other[k]; !ok || got != v {
					everywhere = false
				}
			}
			if everywhere {
				unconflicted[k] = v
			} else {
				conflicted[v] = true
			}
		}
	}
	if len(conflicted) == 0 {
		return unconflicted
	}

	// Auth difference.
	full := set{}
	all := set{}
	var chains []set
	for _, s := range sets {
		c := set{}
		for _, v := range s {
			if !n.literal {
				c[v] = true
			}
			maps.Copy(c, n.authChain(v))
		}
		chains = append(chains, c)
		maps.Copy(all, c)
	}
	for e := range all {
		for _, c := range chains {
			if !c[e] {
				full[e] = true
			}
		}
	}
	maps.Copy(full, conflicted)
	// Conflicted state subgraph.
	if v21 {
		for from := range conflicted {
			for to := range conflicted {
				if !n.authChain(from)[to] {
					continue
				}
				for x := range n.authChain(from) {
					if n.authChain(x)[to] {
						full[x] = true
					}
				}
			}
		}
	}

	// Algorithm, 1.
	x := set{}
	for e := range full {
		if !n.isPower(e) {
			continue
		}
		x[e] = true
		for a := range n.chainWithin(e, full) {
			x[a] = true
		}
	}
	// 2.
	state := maps.Clone(unconflicted)
	if v21 {
		state = stateMap{}
	}
	n.iterate(state, n.powerOrder(x))
	// 3.
	rest := set{}
	for e := range full {
		if !x[e] {
			rest[e] = true
		}
	}
	order := n.mainlineOrder(rest, state[tuple{Type: power}])
	// 4.
	n.iterate(state, order)
	// 5.
	maps.Copy(state, unconflicted)
	return state
}

func (n *naive) isPower(e id.EventID) bool {
	ev := n.events[e]
	key, _ := ev.StateKey()
	switch ev.Type() {
	case power, joinRules:
		return true
	case member:
		return (ev.Membership() == "leave" || ev.Membership() == "ban") && key != string(ev.Sender())
	}
	return false
}

// authOf finds the auth event of a place.
func (n *naive) authOf(e id.EventID, key tuple) (id.EventID, bool) {
	for _, a := range n.events[e].AuthEvents() {
		if ev := n.events[a]; ev.Type() == key.Type && ev.StateKeyEquals(key.StateKey) {
			return a, true
		}
	}
	if c := n.named("create"); n.v.RoomIDFromCreate && key.Type == create && e != c {
		return c, true
	}
	return "", false
}

func (n *naive) senderLevel(e id.EventID) float64 {
	sender := n.events[e].Sender()
	var levels struct {
		Users   map[id.UserID]float64 `json:"users"`
		Default float64               `json:"users_default"`
	}
	c, haveCreate := n.authOf(e, tuple{Type: create})
	isCreator := haveCreate && n.events[c].Sender() == sender || n.events[e].Type() == create && n.v.RoomIDFromCreate
	if isCreator && n.v.PrivilegedCreators {
		return math.Inf(1)
	}
	p, ok := n.authOf(e, tuple{Type: power})
	if !ok {
		if isCreator {
			return 100
		}
		return 0
	}
	if err := json.Unmarshal(n.events[p].Content(), &levels); err != nil {
		panic(err)
	}
	if level, ok := levels.Users[sender]; ok {
		return level
	}
	return levels.Default
}

func (n *naive) earlier(x, y id.EventID) bool {
	tx, ty := n.events[x].OriginServerTS(), n.events[y].OriginServerTS()
	return tx < ty || tx == ty && x < y
}

func (n *naive) powerOrder(x set) []id.EventID {
	left := maps.Clone(x)
	var order []id.EventID
	for len(left) > 0 {
		var best id.EventID
		for _, e := range left.sorted() {
			candidate := true
			for a := range n.chainWithin(e, x) {
				if left[a] {
					candidate = false
				}
			}
			if !candidate {
				continue
			}
			if best == "" || n.senderLevel(e) > n.senderLevel(best) ||
				n.senderLevel(e) == n.senderLevel(best) && n.earlier(e, best) {
				best = e
			}
		}
		order = append(order, best)
		delete(left, best)
	}
	return order
}

func (n *naive) mainlineOf(p id.EventID) []id.EventID {
	var line []id.EventID
	for ok := p != ""; ok; p, ok = n.authOf(p, tuple{Type: power}) {
		line = append(line, p)
	}
	return line
}

func (n *naive) mainlineOrder(x set, p id.EventID) []id.EventID {
	mainline := n.mainlineOf(p)
	position := func(e id.EventID) float64 {
		first, _ := n.authOf(e, tuple{Type: power})
		for _, ej := range n.mainlineOf(first) {
			if i := slices.Index(mainline, ej); i >= 0 {
				return float64(i)
			}
		}
		return math.Inf(1)
	}
	order := x.sorted()
	slices.SortFunc(order, func(x, y id.EventID) int {
		px, py := position(x), position(y)
		if px > py || px == py && n.earlier(x, y) {
			return -1
		}
		return 1
	})
	return order
}

func (n *naive) allowed(e id.EventID, state stateMap) bool {
	have := eventauth.MapState{}
	for k, v := range state {
		have[k] = n.events[v]
	}
	return eventauth.Check(n.v, n.events[e], have) == nil
}

func (n *naive) iterate(state stateMap, order []id.EventID) {
	for _, e := range order {
		with := maps.Clone(state)
		for _, a := range append(n.events[e].AuthEvents(), n.named("create")) {
			if k := n.place(a); with[k] == "" && !n.rejected[a] && (k.Type != create || n.v.RoomIDFromCreate || slices.Contains(n.events[e].AuthEvents(), a)) {
				with[k] = a
			}
		}
		if n.allowed(e, with) {
			state[n.place(e)] = e
		}
	}
}

func (n *naive) place(e id.EventID) tuple {
	key, _ := n.events[e].StateKey()
	return tuple{Type: n.events[e].Type(), StateKey: key}
}

func (n *naive) resolveV1(sets []stateMap) stateMap {
	r := stateMap{}
	at := map[tuple]set{}
	for _, s := range sets {
		for k, v := range s {
			if at[k] == nil {
				at[k] = set{}
			}
			at[k][v] = true
		}
	}
	for k, events := range at {
		if len(events) == 1 {
			r[k] = events.sorted()[0]
		}
	}
	ascending := func(events set) []id.EventID {
		list := events.sorted()
		slices.SortFunc(list, func(x, y id.EventID) int {
			dx, dy := n.events[x].Depth(), n.events[y].Depth()
			sx, sy := sha1.Sum([]byte(x)), sha1.Sum([]byte(y))
			if dx < dy || dx == dy && string(sx[:]) > string(sy[:]) {
				return -1
			}
			return 1
		})
		return list
	}
	types := []string{power, joinRules, member}
	for _, evType := range types {
		pass := maps.Clone(r)
		for k, events := range at {
			if k.Type != evType || len(events) == 1 {
				continue
			}
			now := maps.Clone(r)
			for i, e := range ascending(events) {
				if i > 0 && !n.allowed(e, now) {
					break
				}
				now[k] = e
			}
			pass[k] = now[k]
		}
		r = pass
	}
	result := maps.Clone(r)
	for k, events := range at {
		if slices.Contains(types, k.Type) || len(events) == 1 {
			continue
		}
		list := ascending(events)
		result[k] = list[0]
		for _, e := range list {
			if n.allowed(e, r) {
				result[k] = e
			}
		}
	}
	return result
}
