package stateres_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/stateres"
)

// twoTopics is a room in which only the topic is in conflict.
func twoTopics(r *room) []stateMap {
	s := r.begin(bob)
	return []stateMap{
		r.send(s, "t1", alice, topic, "", content{"topic": 1}),
		r.send(s, "t2", alice, topic, "", content{"topic": 2}),
	}
}

func TestMissingEventsAreNamed(t *testing.T) {
	t.Parallel()
	in(t, everyAlgorithm, func(t *testing.T, r *room) {
		sets := twoTopics(r)
		missing := func(names ...string) {
			t.Helper()
			clear(r.asked)
			_, err := stateres.Resolve(r.v, sets, r.fetch)
			var m *stateres.MissingError
			require.ErrorAs(t, err, &m)
			var want []id.EventID
			for _, n := range names {
				want = append(want, r.named(n))
				require.ErrorContains(t, err, string(r.named(n)))
			}
			require.Equal(t, want, m.Events)
		}
		delete(r.events, r.named("power"))
		missing("power")
		delete(r.events, r.named("joinalice"))
		missing("joinalice", "power")
		delete(r.events, r.named("t1"))
		missing("t1")
		r = newRoom(t, r.v.ID)
		sets = twoTopics(r)
		delete(r.events, r.named("create"))
		missing("create")
	})
}

func TestMissingErrorStaysShort(t *testing.T) {
	t.Parallel()
	m := &stateres.MissingError{}
	for i := range 1000 {
		m.Events = append(m.Events, id.EventID(fmt.Sprint("$", i)))
	}
	require.Equal(t, "missing events: $0, $1, $2, $3, $4, $5, $6, $7, $8, $9 and 990 more", m.Error())
}

func TestNoMoreEventsThanTheLimit(t *testing.T) {
	t.Parallel()
	in(t, everyAlgorithm, func(t *testing.T, r *room) {
		sets := twoTopics(r)
		r.resolve(sets...)
		needed := r.fetched
		for limit := range needed {
			clear(r.asked)
			r.fetched = 0
			_, err := stateres.Resolve(r.v, sets, r.fetch, stateres.Limit(limit))
			require.ErrorIs(t, err, stateres.ErrTooManyEvents)
			require.LessOrEqual(t, r.fetched, limit)
		}
		clear(r.asked)
		_, err := stateres.Resolve(r.v, sets, r.fetch, stateres.Limit(needed))
		require.NoError(t, err)
		// Nor more that nobody asked for.
		_, err = stateres.Resolve(r.v, sets, r.everything, stateres.Limit(needed))
		require.ErrorIs(t, err, stateres.ErrTooManyEvents)
	})
}

// everything is a fetch that gives all events whatever it is asked for.
func (r *room) everything([]id.EventID) ([]*event.Event, error) {
	r.fetches++
	var events []*event.Event
	for _, ev := range r.events {
		events = append(events, ev)
	}
	return events, nil
}

func TestEventsGivenInAdvanceAreNotAskedFor(t *testing.T) {
	t.Parallel()
	in(t, everyAlgorithm, func(t *testing.T, r *room) {
		sets := twoTopics(r)
		want := r.resolve(sets...)
		r.fetches = 0
		twice := func(ids []id.EventID) ([]*event.Event, error) {
			events, err := r.everything(ids)
			return append(events, events...), err
		}
		got, err := stateres.Resolve(r.v, sets, twice, stateres.Limit(len(r.events)))
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, 1, r.fetches)
	})
}

func TestFetchErrorIsPassedOn(t *testing.T) {
	t.Parallel()
	in(t, everyAlgorithm, func(t *testing.T, r *room) {
		sets := twoTopics(r)
		r.resolve(sets...)
		broken := errors.New("no connection")
		for call := range r.fetches {
			clear(r.asked)
			calls := 0
			_, err := stateres.Resolve(r.v, sets, func(ids []id.EventID) ([]*event.Event, error) {
				if calls++; calls > call {
					return nil, broken
				}
				return r.fetch(ids)
			})
			require.ErrorIs(t, err, broken)
		}
	})
}

func TestEventsThatDoNotBelongAreRefused(t *testing.T) {
	t.Parallel()
	in(t, everyAlgorithm, func(t *testing.T, r *room) {
		sets := twoTopics(r)
		sets[0][tuple{Type: oldTopic}] = sets[0][tuple{Type: topic}]
		sets[1][tuple{Type: oldTopic}] = sets[1][tuple{Type: topic}]
		clear(r.asked)
		_, err := stateres.Resolve(r.v, sets, r.fetch)
		require.ErrorContains(t, err, `is not one of type "m.room.name"`)

		other := newRoom(t, r.v.ID)
		other.id = "!other:a.example"
		if r.v.RoomIDFromCreate {
			other.id = "!" + id.RoomID(r.named("other")[1:])
		}
		stranger := other.add("t2", alice, topic, "", content{}, r.named("power"))
		r = newRoom(t, r.v.ID)
		sets = twoTopics(r)
		r.events[r.named("t2")] = stranger
		_, err = stateres.Resolve(r.v, sets, r.fetch)
		require.ErrorContains(t, err, "is of room ")
	})
}

func TestCycleIsAnError(t *testing.T) {
	t.Parallel()
	in(t, reloaded, func(t *testing.T, r *room) {
		s := r.begin()
		left, right := stateMap{}, stateMap{}
		for place, eventID := range s {
			left[place], right[place] = eventID, eventID
		}
		r.add("l", alice, topic, "", content{}, r.named("power"), r.named("x"))
		r.add("x", alice, power, "", content{}, r.named("power"), r.named("y"))
		r.add("y", alice, power, "", content{}, r.named("power"), r.named("x"))
		left[tuple{Type: topic}] = r.named("l")
		_, err := stateres.Resolve(r.v, []stateMap{left, right}, r.fetch)
		require.ErrorContains(t, err, "cycle")
		// Where both agree on power levels that nothing in conflict cites, the mainline finds it.
		left[tuple{Type: topic}] = r.add("m", alice, topic, "", content{}, r.named("joinalice"), r.named("create")).ID()
		left[tuple{Type: power}], right[tuple{Type: power}] = r.named("z"), r.named("z")
		r.add("z", alice, power, "", r.levels(nil), r.named("joinalice"), r.named("w"))
		r.add("w", alice, power, "", r.levels(nil), r.named("joinalice"), r.named("z"))
		clear(r.asked)
		_, err = stateres.Resolve(r.v, []stateMap{left, right}, r.fetch)
		if r.v.StateResolution == event.StateResolutionV2 {
			require.ErrorContains(t, err, "cycle")
		} else {
			require.NoError(t, err)
		}
	})
}

func TestThereMustBeAState(t *testing.T) {
	t.Parallel()
	r := newRoom(t, v2p1)
	_, err := stateres.Resolve(r.v, nil, r.fetch)
	require.EqualError(t, err, "resolve state: no states")
	version := *r.v
	version.StateResolution = "3"
	_, err = stateres.Resolve(&version, []stateMap{{}, {}}, r.fetch)
	require.EqualError(t, err, `resolve state: no algorithm "3"`)
}
