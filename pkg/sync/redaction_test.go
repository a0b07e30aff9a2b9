package sync

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/position"
)

func redactionOf(t *testing.T, p position.Position, target *entry) *entry {
	t.Helper()
	return newEntry(t, p, alice, "m.room.redaction", nil, `{"redacts":"`+string(target.ID())+`"}`)
}

func contentOf(e *entry) string { return string(e.Content()) }

func TestRedactionOfAMessageThatIsBeingShown(t *testing.T) {
	t.Parallel()
	h := &history{state: map[stateKey]*entry{}}
	said := newEntry(t, 10, alice, "m.room.message", nil, `{"body":"x"}`)
	h.append(said)
	shown := h.run[0]
	by := redactionOf(t, 20, said)
	h.append(by)
	require.Equal(t, `{"body":"x"}`, contentOf(shown), "who shows it now is not disturbed")
	require.Equal(t, `{}`, contentOf(h.run[0]))
	require.Equal(t, said.ID(), h.run[0].ID())
	raw, err := h.run[0].render(alice, "D", 0)
	require.NoError(t, err)
	var got struct {
		Unsigned struct {
			Because struct {
				EventID string `json:"event_id"`
				RoomID  string `json:"room_id"`
			} `json:"redacted_because"`
		} `json:"unsigned"`
	}
	require.NoError(t, json.Unmarshal(raw, &got))
	require.Equal(t, string(by.ID()), got.Unsigned.Because.EventID)
	require.Empty(t, got.Unsigned.Because.RoomID)

	h.append(redactionOf(t, 30, said))
	require.Equal(t, by.ID(), h.run[0].because.ID(), "the first redaction is why")
}

func TestRedactionOfState(t *testing.T) {
	t.Parallel()
	key := ""
	for name, upto := range map[string]int{"within the run": 0, "cut off the run": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &history{state: map[stateKey]*entry{}}
			var topics []*entry
			for i, topic := range []string{"one", "two", "three"} {
				e := newEntry(t, position.Position(10*(i+1)), alice, "m.room.topic", &key, `{"topic":"`+topic+`"}`)
				topics = append(topics, e)
				h.append(e)
			}
			h.run = h.run[upto:]
			place := stateKey{"m.room.topic", ""}
			if upto == 0 {
				h.append(redactionOf(t, 40, topics[0]))
				require.Equal(t, `{}`, contentOf(h.run[0]))
				require.Equal(t, `{}`, string(h.run[1].prevContent))
				require.Equal(t, `{"topic":"two"}`, string(h.run[2].prevContent))
				require.Same(t, h.run[0], h.run[1].replaced)
				require.Same(t, h.run[1], h.run[2].replaced)
				require.Same(t, h.run[2], h.state[place])
				require.Equal(t, `{}`, contentOf(h.before(20).get(place)), "also in the state before")
			}
			h.append(redactionOf(t, 50, topics[2]))
			require.Equal(t, `{}`, contentOf(h.state[place]))
		})
	}
}

// What is read of the time before a run may be older than a redaction in it.
func TestRedactionOfWhatIsReadLater(t *testing.T) {
	t.Parallel()
	h := &history{state: map[stateKey]*entry{}, from: 20, upto: 20}
	said := newEntry(t, 10, alice, "m.room.message", nil, `{"body":"x"}`)
	h.append(redactionOf(t, 30, said))
	h.prepend([]*entry{said}, true)
	require.Equal(t, `{}`, contentOf(h.run[0]))
}

// The reason of a redaction is shown with what it redacted: redacted itself, it must be gone there too.
func TestRedactionOfARedaction(t *testing.T) {
	t.Parallel()
	key := ""
	for name, cut := range map[string]int{"all in the run": 0, "the redaction in the run": 1, "nothing in the run": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &history{state: map[stateKey]*entry{}}
			said := newEntry(t, 10, alice, "m.room.topic", &key, `{"topic":"x"}`)
			h.append(said)
			by := newEntry(t, 20, alice, "m.room.redaction", nil, `{"reason":"secret","redacts":"`+string(said.ID())+`"}`)
			h.append(by)
			h.run = h.run[cut:]
			again := redactionOf(t, 30, by)
			h.append(again)

			left := h.state[stateKey{"m.room.topic", ""}]
			require.Equal(t, by.ID(), left.because.ID())
			raw, err := left.render(alice, "D", 0)
			require.NoError(t, err)
			require.NotContains(t, string(raw), "secret")
			if cut == 0 {
				require.Same(t, left, h.run[0])
			}
			if cut < 2 {
				require.Equal(t, again.ID(), h.run[1-cut].because.ID())
				require.NotContains(t, string(h.run[1-cut].JSON()), "secret")
			}
			h.append(newEntry(t, 40, alice, "m.room.topic", &key, `{"topic":"y"}`))
			h.append(redactionOf(t, 50, by))
			require.Same(t, left, h.run[len(h.run)-2].replaced, "once is enough")
		})
	}
}
