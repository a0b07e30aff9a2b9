package stateres

import (
	"errors"
	"fmt"
	"maps"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A StateMap is the state of a room: the event at each place.
type StateMap = map[eventauth.StateKeyTuple]id.EventID

// A Fetch returns the events with these ids, at most [MaxBatch], in any order. It may add further events of the room
// that it has at hand, such as the auth chains of those: they are not asked for again. One that it does not have it
// leaves out.
type Fetch func(ids []id.EventID) ([]*event.Event, error)

const (
	// MaxBatch is the greatest number of events that a [Fetch] is asked for at once.
	MaxBatch = 4096
	// DefaultLimit is the greatest number of events that a resolution asks for, unless [Limit] says otherwise. They are
	// all held in memory until it ends.
	DefaultLimit = 200_000
)

// ErrTooManyEvents is wrapped by the error of a resolution that needs more events than its limit.
var ErrTooManyEvents = errors.New("too many events")

// An Option changes how [Resolve] works.
type Option func(*resolver)

// Limit sets how many events may be asked for and held, instead of [DefaultLimit].
func Limit(events int) Option { return func(r *resolver) { r.graph.limit = events } }

// Rejected says which events were rejected. Where the state lacks what the authorisation of an event needs, one of the
// event's auth events stands in, but not a rejected one. A rejected event of the states themselves, or of their auth
// chains, is checked and used like others (room versions 2 and 12, "Rejected events"): servers may differ in what they
// rejected, but shall not in the result. Version 1 does not ask.
func Rejected(rejected func(id.EventID) bool) Option {
	return func(r *resolver) { r.rejected = rejected }
}

// Resolve returns the state that results from sets, the states after the events that an event follows, with the
// algorithm of room version v. The order of sets does not matter, the result is a new map, and a single state resolves
// to itself without a fetch.
//
// Errors: those of fetch; [*MissingError] if it left out an event; [ErrTooManyEvents]; an event of another room, or not
// of the place where a state has it; no sets. There is no partial result.
func Resolve(v *event.Version, sets []StateMap, fetch Fetch, options ...Option) (StateMap, error) {
	r := &resolver{
		v: v, sets: sets, graph: newGraph(fetch), levels: map[levelsKey]*eventauth.PowerLevels{},
		rejected: func(id.EventID) bool { return false },
	}
	for _, option := range options {
		option(r)
	}
	if len(sets) == 0 {
		return nil, errors.New("resolve state: no states")
	}
	if len(sets) == 1 {
		return maps.Clone(sets[0]), nil
	}
	var err error
	switch v.StateResolution {
	case event.StateResolutionV1:
		err = r.resolveV1()
	case event.StateResolutionV2:
		err = r.resolveV2(true, false)
	case event.StateResolutionV21:
		err = r.resolveV2(false, true)
	default:
		err = fmt.Errorf("no algorithm %q", v.StateResolution)
	}
	if err != nil {
		return nil, fmt.Errorf("resolve state: %w", err)
	}
	return r.unconflicted, nil
}

// A resolver is one resolution.
type resolver struct {
	v        *event.Version
	sets     []StateMap
	rejected func(id.EventID) bool
	graph    *graph
	levels   map[levelsKey]*eventauth.PowerLevels

	// unconflicted starts as the unconflicted state map and ends as the result.
	unconflicted StateMap
	conflicts    []conflict
	// create is the create event where the room's id names it instead of auth events.
	create *event.Event
}

// levelsKey is what power levels are made of; the second may be nil.
type levelsKey struct{ create, levels *event.Event }

// Fact makes a levelsKey the state that its power levels are read from.
func (k levelsKey) Fact(evType, stateKey string) eventauth.Fact {
	switch {
	case stateKey != "":
	case evType == typeCreate:
		return eventauth.FactOf(k.create)
	case evType == typePowerLevels:
		return eventauth.FactOf(k.levels)
	}
	return nil
}

// powerLevels reads each m.room.power_levels event once: hundreds of events are checked against a few of them.
func (r *resolver) powerLevels(k levelsKey) *eventauth.PowerLevels {
	p, ok := r.levels[k]
	if !ok {
		p = eventauth.LevelsOf(r.v, k)
		r.levels[k] = p
	}
	return p
}

// Types of events that the algorithms treat by themselves.
const (
	typeCreate      = "m.room.create"
	typeMember      = "m.room.member"
	typePowerLevels = "m.room.power_levels"
	typeJoinRules   = "m.room.join_rules"
)
