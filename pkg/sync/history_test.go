package sync

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

func newEntry(t *testing.T, p position.Position, sender id.UserID, typ string, key *string, content string) *entry {
	t.Helper()
	ev, err := event.Build(event.DefaultVersion, event.Proto{
		RoomID: "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Sender: sender, Type: typ, StateKey: key, Content: json.RawMessage(content), Depth: int64(p),
	}, signer{})
	require.NoError(t, err)
	return &entry{Event: ev, position: p}
}

// The state rolled back to any position of the run is that which replaying the room gives, however the history came
// about: appended to, cut, or read from the database and deepened.
func TestRollbackIsTheStateOfThatTime(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 3))
		var all []*entry
		now := map[stateKey]id.EventID{}
		past := []map[stateKey]id.EventID{{}} // before all[i]
		for i := range 20 + random.IntN(2*runMax) {
			var key *string
			if random.IntN(3) == 0 {
				k := fmt.Sprint(random.IntN(4))
				key = &k
			}
			e := newEntry(t, position.Position(10*(i+1)), alice, fmt.Sprint("t", random.IntN(2)), key, fmt.Sprintf(`{"i":%d}`, i))
			all = append(all, e)
			if k, ok := e.stateKey(); ok {
				now[k] = e.ID()
			}
			past = append(past, maps.Clone(now))
		}
		appended := newHistory("12", nil, nil, true)
		for _, e := range all {
			appended.append(e)
			appended.append(e) // heard twice
		}
		check := func(h *history) {
			first, _ := slices.BinarySearchFunc(all, h.from+1, func(e *entry, p position.Position) int { return int(e.position - p) })
			require.Equal(t, all[first:], h.run)
			for i := first; i <= len(all); i++ {
				p := position.Position(10 * (i + 1))
				got := map[stateKey]id.EventID{}
				back := h.before(p)
				back.all(func(e *entry) bool {
					k, _ := e.stateKey()
					got[k] = e.ID()
					require.Same(t, e, back.get(k))
					return true
				})
				require.Equal(t, past[i], got)
			}
		}
		check(appended)
		require.LessOrEqual(t, len(appended.run), runMax)

		// As if read: the entries know what they replaced.
		last := map[stateKey]*entry{}
		for _, e := range all {
			if k, ok := e.stateKey(); ok {
				e.replace(last[k])
				last[k] = e
			}
		}
		newest := slices.Clone(all)
		slices.Reverse(newest)
		n := 1 + random.IntN(len(all)-1)
		read := newHistory("12", slices.Collect(maps.Values(last)), newest[:n], false)
		check(read)
		read.prepend(newest[n:], true)
		require.Zero(t, read.from)
		check(read)
	}
}

func TestHeroesAreTheFirstOthers(t *testing.T) {
	t.Parallel()
	h := newHistory("12", nil, nil, true)
	join := func(p int, user, membership string) {
		h.append(newEntry(t, position.Position(p), alice, typeMember, &user, `{"membership":"`+membership+`"}`))
	}
	for i := range 9 {
		join(i+1, fmt.Sprintf("@u%d:x", i), []string{"join", "invite"}[i%2])
	}
	require.Equal(t, []id.UserID{"@u1:x", "@u2:x", "@u3:x", "@u4:x", "@u5:x"}, h.heroes("@u0:x"))
	require.Equal(t, []id.UserID{"@u0:x", "@u1:x", "@u2:x", "@u3:x", "@u4:x"}, h.heroes("@u8:x"))
	require.Equal(t, []int{5, 4}, []int{h.joined, h.invited})
	for i := range 8 {
		join(i+11, fmt.Sprintf("@u%d:x", i), "leave")
	}
	require.Equal(t, []id.UserID{"@u0:x", "@u1:x", "@u2:x", "@u3:x", "@u4:x"}, h.heroes("@u8:x"))
	require.Equal(t, []int{1, 0}, []int{h.joined, h.invited})
}

func TestInboxHandsOutCoveredBodiesInOrder(t *testing.T) {
	t.Parallel()
	var in inbox[string]
	take := func() (all []string) {
		for b, ok := in.next(); ok; b, ok = in.next() {
			all = append(all, b)
		}
		return all
	}
	in.hear(3, "three")
	require.Empty(t, take(), "not covered")
	in.cover(2)
	in.cover(3)
	require.Empty(t, take(), "two has not come")
	require.True(t, in.lacks(2))
	require.False(t, in.lacks(1))
	complete := in.complete()
	in.hear(2, "two")
	require.Equal(t, []string{"two", "three"}, take())
	<-complete
	in.hear(3, "three again")
	in.cover(3)
	require.Empty(t, take(), "twice")
	require.False(t, in.lacks(3))

	in.cover(5)
	in.cover(7)
	in.settle(6)
	require.False(t, in.lacks(6))
	require.True(t, in.lacks(7))
	in.hear(5, "five is known otherwise")
	in.hear(7, "seven")
	require.Equal(t, []string{"seven"}, take())

	for b := range int64(3 * maxBodies) {
		in.hear(100+b, "ahead")
	}
	require.LessOrEqual(t, len(in.bodies), maxBodies)
}
