package sync

import (
	"slices"
	"sort"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

const (
	// A run that has grown beyond runMax is cut to runKeep.
	runMax  = 256
	runKeep = 128
	// maxHeroes is the number of members a nameless room is called by (client-server API, "Calculating the display name
	// for a room").
	maxHeroes = 5
)

// A history is what is known of a room: a run of its latest events, and the state after the last of them.
type history struct {
	version    string
	from, upto position.Position // every event in (from, upto] is in the run
	run        []*entry          // ascending
	state      map[stateKey]*entry
	joined     int
	invited    int
	byJoin     []*entry // the first members as candidates for heroes; nil: not computed since membership changed
	bytes      int
}

// newHistory takes a room's state after the last event of run, and the run, newest first, each entry knowing what it
// replaced. complete says that nothing precedes the run.
func newHistory(version string, state, newestFirst []*entry, complete bool) *history {
	h := &history{version: version, state: make(map[stateKey]*entry, len(state))}
	for _, e := range state {
		k, _ := e.stateKey()
		h.state[k] = e
		h.bytes += e.size()
		h.count(e, 1)
	}
	if len(newestFirst) > 0 {
		h.upto = newestFirst[0].position
		h.from = h.upto
	}
	h.prepend(newestFirst, complete)
	for _, e := range h.run { // the same entry in both, where it is the same event
		if k, ok := e.stateKey(); ok && h.state[k] != nil && h.state[k].position == e.position {
			h.state[k] = e
		}
	}
	return h
}

func (h *history) count(e *entry, n int) {
	if e == nil || e.Type() != typeMember {
		return
	}
	h.byJoin = nil
	switch e.Membership() {
	case "join":
		h.joined += n
	case "invite":
		h.invited += n
	}
}

// append takes the next event; one that is already there is left out.
func (h *history) append(e *entry) {
	if e.position <= h.upto {
		return
	}
	h.upto = e.position
	h.run = append(h.run, e)
	h.bytes += e.size()
	if k, ok := e.stateKey(); ok {
		old := h.state[k]
		e.replace(old)
		h.state[k] = e
		h.count(old, -1)
		h.count(e, 1)
	}
	if e.isRedaction() {
		h.redact(e)
	}
	if len(h.run) > runMax {
		drop := len(h.run) - runKeep
		for _, d := range h.run[:drop] {
			d.replaced = nil
			h.bytes = max(0, h.bytes-d.size()) // what stays as state is no longer counted: it is an estimate
		}
		h.from = h.run[drop-1].position
		h.run = slices.Clone(h.run[drop:])
	}
}

// prepend takes the events just before the run, newest first.
func (h *history) prepend(newestFirst []*entry, complete bool) {
	older := slices.Clone(newestFirst)
	slices.Reverse(older)
	for _, e := range older {
		h.bytes += e.size()
		if e.replaced != nil {
			h.bytes += e.replaced.size()
		}
	}
	h.run = append(older, h.run...)
	h.redactAgain()
	switch {
	case complete:
		h.from = 0
	case len(older) > 0:
		h.from = older[0].position - 1
	}
}

// between returns the part of the run in (after, upto].
func (h *history) between(after, upto position.Position) []*entry {
	i := sort.Search(len(h.run), func(i int) bool { return h.run[i].position > after })
	j := sort.Search(len(h.run), func(j int) bool { return h.run[j].position > upto })
	return h.run[i:max(i, j)]
}

// A rollback is the state just before a position of the run: the current state but for what changed since.
type rollback struct {
	h       *history
	changed map[stateKey]*entry // nil: there was none
}

// before rolls the state back; every event at or after p must be in the run.
func (h *history) before(p position.Position) rollback {
	r := rollback{h: h, changed: map[stateKey]*entry{}}
	for i := len(h.run) - 1; i >= 0 && h.run[i].position >= p; i-- {
		if k, ok := h.run[i].stateKey(); ok {
			r.changed[k] = h.run[i].replaced
		}
	}
	return r
}

func (r rollback) get(k stateKey) *entry {
	if e, ok := r.changed[k]; ok {
		return e
	}
	return r.h.state[k]
}

// all yields the whole state.
func (r rollback) all(yield func(*entry) bool) {
	for k, e := range r.h.state {
		if old, ok := r.changed[k]; ok {
			e = old
		}
		if e != nil && !yield(e) {
			return
		}
	}
}

// heroes returns the users that a nameless room is called by for one of them: the first joined or invited others, and
// if there are none the first who left.
func (h *history) heroes(user id.UserID) []id.UserID {
	if h.byJoin == nil {
		h.byJoin = h.firstMembers(func(m string) bool { return m == "join" || m == "invite" })
	}
	candidates := h.byJoin
	if h.joined+h.invited <= 1 {
		candidates = h.firstMembers(func(m string) bool { return m == "leave" || m == "ban" })
	}
	heroes := []id.UserID{}
	for _, e := range candidates {
		if key, _ := e.StateKey(); key != string(user) && len(heroes) < maxHeroes {
			heroes = append(heroes, id.UserID(key))
		}
	}
	return heroes
}

func (h *history) firstMembers(want func(string) bool) []*entry {
	first := []*entry{}
	for k, e := range h.state {
		if k.typ != typeMember || !want(e.Membership()) {
			continue
		}
		i, _ := slices.BinarySearchFunc(first, e.position, func(a *entry, p position.Position) int { return int(a.position - p) })
		if i > maxHeroes {
			continue
		}
		first = slices.Insert(first, i, e)
		first = first[:min(len(first), maxHeroes+1)]
	}
	return first
}

// has reports whether a state event with the empty key is there and its content has a text that is not empty.
func (h *history) has(typ, field string) bool {
	e := h.state[stateKey{typ, ""}]
	if e == nil {
		return false
	}
	raw, _ := canonicaljson.Get(e.Content(), field)
	text, _ := canonicaljson.String(raw)
	return text != ""
}
