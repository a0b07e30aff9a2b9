package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/stateres"
	"github.com/myelin-hs/myelin/test/figures"
)

const (
	manyMembers = 10_000
	conflicts   = 500
)

// resolution measures resolving a room whose history forked, with each algorithm; the slowest counts. Events are fetched
// from memory.
func resolution() ([]figures.Row, error) {
	const name = "stateres.10k_members_500_conflicts"
	var slowest float64
	seen := map[event.StateResolution]bool{}
	for _, v := range slices.Backward(event.Versions) {
		if seen[v.StateResolution] {
			continue
		}
		seen[v.StateResolution] = true
		r, err := newRoom(v, manyMembers)
		if err != nil {
			return nil, err
		}
		resolve, err := r.fork()
		if err != nil {
			return nil, fmt.Errorf("fork a room of version %s: %w", v.ID, err)
		}
		if err := resolve(); err != nil {
			return nil, err
		}
		failed := 0
		ms := repeat(fmt.Sprintf("%s (algorithm %s)", name, v.StateResolution), "ms", func() float64 {
			return nanoseconds(func() {
				if resolve() != nil {
					failed++
				}
			}) / 1e6
		})
		if failed > 0 {
			return nil, fmt.Errorf("%d resolutions failed", failed)
		}
		slowest = max(slowest, ms)
	}
	return []figures.Row{figures.AtMost(name, "ms", slowest, 200)}, nil
}

// fork lets two branches of the room go their own ways, until their states differ at so many places, and returns what
// resolves them. What happens is what happens to a large room while servers do not see each other: moderators ban and
// kick, the power levels change, members change their profile or leave, some state is set.
func (r *room) fork() (resolve func() error, err error) {
	a, b := r.branch(), r.branch()
	both := func(evType, key string, byA, byB id.UserID, inA, inB map[string]any) {
		for _, side := range []struct {
			*room
			by      id.UserID
			content map[string]any
		}{{a, byA, inA}, {b, byB, inB}} {
			if err == nil {
				_, err = side.setState(side.by, evType, key, side.content)
			}
		}
	}
	const member = "m.room.member"
	next := moderators
	someone := func() id.UserID { next++; return user(next) }
	for i := range conflicts {
		moderator := user(1 + i%moderators)
		switch {
		case i == 0: // again and again, so that one is checked by another
			for n := range 10 {
				both("m.room.power_levels", "", user(0), user(0), r.levels(1+n), r.levels(20+n))
			}
		case i < 20:
			u := someone()
			both(member, string(u), moderator, u, map[string]any{"membership": "ban"}, profile("busy", i))
		case i < 70:
			u := someone()
			both(member, string(u), u, moderator, profile("here", i), map[string]any{"membership": "leave"})
		case i < 120:
			u := someone()
			both(member, string(u), u, u, profile("here", i), map[string]any{"membership": "leave"})
		case i < 470:
			u := someone()
			both(member, string(u), u, u, profile("here", i), profile("there", i))
		default:
			both("org.example.widget", fmt.Sprint(i), moderator, moderator, map[string]any{"at": "here"}, map[string]any{"at": "there"})
		}
	}
	if err != nil {
		return nil, err
	}
	sets := []stateres.StateMap{a.ids(), b.ids()}
	differ := 0
	for place, eventID := range sets[0] {
		if sets[1][place] != eventID {
			differ++
		}
	}
	if differ != conflicts || len(sets[0]) != len(sets[1]) {
		return nil, fmt.Errorf("%d places differ, not %d", differ, conflicts)
	}
	fetch := func(ids []id.EventID) ([]*event.Event, error) {
		events := make([]*event.Event, 0, len(ids))
		for _, eventID := range ids {
			if ev := r.events[eventID]; ev != nil {
				events = append(events, ev)
			}
		}
		return events, nil
	}
	return func() error {
		resolved, err := stateres.Resolve(r.version, sets, fetch)
		if err == nil && len(resolved) != len(sets[0]) {
			err = fmt.Errorf("resolved to %d places, not %d", len(resolved), len(sets[0]))
		}
		return err
	}, nil
}

func profile(where string, i int) map[string]any {
	return map[string]any{"membership": "join", "displayname": fmt.Sprintf("User %d (%s)", i, where)}
}

// branch is the room as it is now, to go on from. Events are shared.
func (r *room) branch() *room {
	branch := *r
	branch.state = maps.Clone(r.state)
	return &branch
}

func (r *room) ids() stateres.StateMap {
	ids := make(stateres.StateMap, len(r.state))
	for place, ev := range r.state {
		ids[place] = ev.ID()
	}
	return ids
}
