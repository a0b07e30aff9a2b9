package persister

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
)

func TestAFactSaysWhatItsEventSays(t *testing.T) {
	t.Parallel()
	for _, v := range event.Versions {
		_, events := aRoom(t, v, 3, usualMember)
		byAnother, err := event.Build(v, event.Proto{
			RoomID: events[1].RoomID(), Sender: alice, Type: "m.room.member", StateKey: new(string(bob)), Content: json.RawMessage(`{"membership":"invite"}`),
		}, signer)
		require.NoError(t, err)
		for _, ev := range append(events, byAnother) {
			f, key := factOf(ev.RoomID(), ev), ""
			key, _ = ev.StateKey()
			require.Equal(t, ev.ID(), f.ID())
			require.Equal(t, ev.RoomID(), f.RoomID())
			require.Equal(t, ev.Sender(), f.Sender())
			require.Equal(t, ev.Content(), f.Content())
			require.Equal(t, ev.Membership(), f.Membership())
			require.Equal(t, eventauth.StateKeyTuple{Type: ev.Type(), StateKey: key}, f.place())
			if v.EventIDInEvent {
				require.Equal(t, event.ReferenceHash(ev), f.hash())
			} else {
				require.Empty(t, f.hash())
			}
		}
	}
}

func TestAFactHoldsFieldsAsLongAsTheyMayBe(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", event.MaxField)
	f := newFact("!room", id.EventID(long), eventauth.StateKeyTuple{Type: long, StateKey: long + "y"}, id.UserID(long), []byte("hash"), json.RawMessage(`{}`))
	require.Equal(t, id.EventID(long), f.ID())
	require.Equal(t, eventauth.StateKeyTuple{Type: long, StateKey: long + "y"}, f.place())
	require.Equal(t, id.UserID(long), f.Sender())
	require.Equal(t, []byte("hash"), f.hash())
}

func TestFactsAreAMap(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var state facts
	var all []*fact
	is := map[eventauth.StateKeyTuple]*fact{}
	for n := range 2000 {
		place := eventauth.StateKeyTuple{Type: fmt.Sprint("t", random.IntN(4)), StateKey: fmt.Sprint(random.IntN(100))}
		f := newFact("!room", id.EventID(fmt.Sprint("$", n)), place, alice, nil, json.RawMessage(`{}`))
		require.Same(t, is[place], state.set(f))
		is[place], all = f, append(all, f)
		probe := eventauth.StateKeyTuple{Type: fmt.Sprint("t", random.IntN(4)), StateKey: fmt.Sprint(random.IntN(100))}
		require.Same(t, is[probe], state.at(probe.Type, probe.StateKey))
	}
	require.Len(t, state, len(is))
	require.Equal(t, state, sortedFacts(all), "in whatever order they came, the last at a place counts")
	require.Nil(t, state.Fact("none", ""))
	require.True(t, state.Fact("none", "") == nil, "no nil pointer in an interface")
}

func TestCopiesThatNoWorkerWouldSendAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*copiedRoom){
		"an unknown version":                  func(m *copiedRoom) { m.Version = "none" },
		"a newest event without its hash":     func(m *copiedRoom) { m.Head.Hash = nil },
		"a fact without id":                   func(m *copiedRoom) { m.State[1].ID = "" },
		"a fact without type":                 func(m *copiedRoom) { m.State[1].Type = "" },
		"a fact without sender":               func(m *copiedRoom) { m.State[1].Sender = "" },
		"a fact with half a hash":             func(m *copiedRoom) { m.State[1].Hash = m.State[1].Hash[:16] },
		"a fact without content":              func(m *copiedRoom) { m.State[1].Content = nil },
		"a fact whose content is none":        func(m *copiedRoom) { m.State[1].Content = json.RawMessage(`[]`) },
		"a fact with a state key beyond size": func(m *copiedRoom) { m.State[1].StateKey = strings.Repeat("x", event.MaxField+1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, _ := event.LookupVersion("1")
			r, _ := aRoom(t, v, 3, bareMember)
			m := messageOf(&roomCopy{room: r.id, version: v, epoch: 1, position: 1, head: r.heads[0], state: r.state})
			c, err := m.copy()
			require.NoError(t, err)
			require.Equal(t, r.state, c.state)
			require.Equal(t, r.heads[0], c.head)
			require.Equal(t, r.bytes, c.bytes)
			change(&m)
			_, err = m.copy()
			require.Error(t, err)
		})
	}
}
