package stateres_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/stateres"
)

// largeFork is a room with so many members whose history forked in two, with so many places in conflict: power levels,
// join rules and topics, bans of users who did something else meanwhile, invited users who joined, changed names. The
// invites might be in the auth chain of any event, so that all are needed.
func largeFork(t testing.TB, version string, members, conflicts int) (*room, []stateMap) {
	r := newRoom(t, version)
	s := r.begin()
	user := func(i int) string { return fmt.Sprintf("@user%d:s%d.example", i, i%50) }
	levels := map[string]int{}
	for i := range 20 {
		levels[user(i)] = 50
	}
	add := func(s stateMap, sender, evType, key string, c content) {
		r.put(s, fmt.Sprintf("e%d", len(r.events)), sender, evType, key, c)
	}
	for i := range members {
		if i == 20 {
			add(s, alice, power, "", r.levels(levels))
		}
		add(s, user(i), member, user(i), membership("join"))
	}
	left, right := maps.Clone(s), maps.Clone(s)
	add(left, alice, power, "", r.levels(map[string]int{user(1): 40, user(2): 50}))
	add(right, user(3), joinRules, "", content{joinRuleOf: "invite"})
	for i := range conflicts - 2 {
		one := user(100 + i%(members-100))
		switch i % 5 {
		case 0:
			add(left, alice, member, one, membership("ban"))
			add(right, one, member, one, content{"membership": "join", "displayname": "b"})
		case 1, 2:
			add(left, one, member, one, content{"membership": "join", "displayname": "a"})
			add(right, one, member, one, membership("leave"))
		case 3:
			add(right, alice, member, user(members+i), membership("invite"))
			add(right, user(members+i), member, user(members+i), membership("join"))
		case 4:
			add(left, user(2), topic, fmt.Sprint(i), content{"topic": "a"})
			add(right, user(4), topic, fmt.Sprint(i), content{"topic": "b"})
		}
	}
	return r, []stateMap{left, right}
}

// Benchmark10kMembers500Conflicts reads each event that is fetched from its JSON, as a store does.
func Benchmark10kMembers500Conflicts(b *testing.B) {
	for _, version := range []string{"1", v2, v2p1} {
		b.Run("version="+version, func(b *testing.B) {
			r, sets := largeFork(b, version, 10_000, 500)
			fetched := 0
			fetch := func(ids []id.EventID) ([]*event.Event, error) {
				events := make([]*event.Event, len(ids))
				for i, eventID := range ids {
					var err error
					if events[i], err = event.Load(r.v, eventID, r.events[eventID].JSON()); err != nil {
						return nil, err
					}
				}
				fetched += len(ids)
				return events, nil
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := stateres.Resolve(r.v, sets, fetch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(fetched)/float64(b.N), "events/op")
		})
	}
}

// What is asked for grows with the room, not with the product of anything.
func TestFetchesGrowLinearly(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", v2, v2p1} {
		r, sets := largeFork(t, version, 400, 100)
		small := r.resolve(sets...)
		smallFetched := r.fetched
		require.NotEmpty(t, small)
		r, sets = largeFork(t, version, 1600, 400)
		large := r.resolve(sets...)
		require.Greater(t, len(large), 1600)
		require.LessOrEqual(t, r.fetched, 4*smallFetched+100, "version %s", version)
		require.LessOrEqual(t, r.fetched, len(r.events))
		// One call a level of the chain, whatever the number of events.
		require.LessOrEqual(t, r.fetches, 12, "version %s", version)
	}
}

// Where no unconflicted event can matter, none is loaded.
func TestUnconflictedMembersAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", v2, v2p1} {
		r := newRoom(t, version)
		s := r.begin(users[1:]...)
		for i := range 1000 {
			user := fmt.Sprintf("@user%d:s.example", i)
			r.put(s, fmt.Sprint("m", i), user, member, user, membership("join"))
		}
		r.put(s, "power2", alice, power, "", r.levels(map[string]int{bob: 50}))
		left := r.send(s, "left", alice, topic, "", content{"topic": 1})
		right := r.send(s, "right", bob, topic, "", content{"topic": 2})
		requireAt(t, r.resolve(left, right), map[string]string{topic: "right"})
		require.LessOrEqual(t, r.fetched, 9, "version %s", version)
	}
}
