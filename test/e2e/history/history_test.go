package history_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/test/e2e/history"
)

// clean is a history without fault: two rooms, one sender and two receivers each.
type clean struct {
	sent   []history.Sent
	seen   map[string][]history.Seen // by receiver
	stored []history.Stored
}

func record() clean {
	c := clean{seen: map[string][]history.Seen{}}
	for seq := range 20 {
		for _, room := range []string{"!a", "!b"} {
			key, id := fmt.Sprintf("s/%s/%d", room, seq), fmt.Sprintf("$%s%d", room, seq)
			c.sent = append(c.sent, history.Sent{Room: room, Sender: "@s", Key: key, Seq: seq, EventID: id})
			c.stored = append(c.stored, history.Stored{Room: room, Key: key, EventID: id, Position: int64(len(c.stored)), Owner: 7, Epoch: 7})
			for _, r := range []string{"@r1", "@r2"} {
				c.seen[r] = append(c.seen[r], history.Seen{Receiver: r, Room: room, Key: key, EventID: id})
			}
		}
	}
	return c
}

func (c clean) history() *history.History {
	h := &history.History{}
	for _, s := range c.sent {
		h.Sent(s)
	}
	for receiver, seen := range c.seen {
		h.Receiver(receiver, "!a")
		h.Receiver(receiver, "!b")
		for _, s := range seen {
			h.Seen(s)
		}
	}
	h.Stored(c.stored)
	return h
}

func remove[T any](all []T, i int) []T { return append(append([]T{}, all[:i]...), all[i+1:]...) }

func TestCheckerReportsWhatIsInjected(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		inject func(c *clean)
		want   map[string]int // violations by list
	}{
		"nothing":                        {inject: func(*clean) {}},
		"a refused send that was stored": {inject: func(c *clean) { c.sent[7].EventID = "" }},
		"a refused send that was not": {inject: func(c *clean) {
			c.sent = append(c.sent, history.Sent{Room: "!a", Sender: "@s", Key: "s/!a/20", Seq: 20})
		}},
		"loss in the table, and so for both receivers":   {inject: func(c *clean) { c.stored = remove(c.stored, 6) }, want: map[string]int{"lost": 1, "invented": 2}},
		"loss for one receiver":                          {inject: func(c *clean) { c.seen["@r1"] = remove(c.seen["@r1"], 6) }, want: map[string]int{"skipped": 1}},
		"loss of the last message":                       {inject: func(c *clean) { c.seen["@r1"] = c.seen["@r1"][:39] }, want: map[string]int{"skipped": 1}},
		"a duplicate for one receiver":                   {inject: func(c *clean) { c.seen["@r2"] = append(c.seen["@r2"], c.seen["@r2"][38]) }, want: map[string]int{"repeated": 1}},
		"a swap for one receiver":                        {inject: func(c *clean) { s := c.seen["@r2"]; s[4], s[6] = s[6], s[4] }, want: map[string]int{"reordered": 1}},
		"a swap between rooms, which is none":            {inject: func(c *clean) { s := c.seen["@r2"]; s[4], s[5] = s[5], s[4] }},
		"a swap in the table, and so for both receivers": {inject: func(c *clean) { s := c.stored; s[4].Position, s[6].Position = s[6].Position, s[4].Position }, want: map[string]int{"reordered": 3}},
		"a message stored twice under one key": {inject: func(c *clean) {
			twin := c.stored[3]
			twin.EventID, twin.Position = "$twin", 100
			c.stored = append(c.stored, twin)
			for r := range c.seen {
				c.seen[r] = append(c.seen[r], history.Seen{Receiver: r, Room: twin.Room, Key: twin.Key, EventID: "$twin"})
			}
		}, want: map[string]int{"duplicated": 1}},
		"a message that was never stored": {inject: func(c *clean) {
			c.seen["@r1"] = append(c.seen["@r1"], history.Seen{Receiver: "@r1", Room: "!a", Key: "x", EventID: "$phantom"})
		}, want: map[string]int{"invented": 1}},
		"a write under an older lease":  {inject: func(c *clean) { c.stored[20].Epoch = 6 }, want: map[string]int{"unfenced": 1}},
		"a write under another's lease": {inject: func(c *clean) { c.stored[39].Owner = 8 }, want: map[string]int{"unfenced": 1}},
		"another shard from there on, which may": {inject: func(c *clean) {
			for i := 20; i < len(c.stored); i++ {
				c.stored[i].Shard, c.stored[i].Owner, c.stored[i].Epoch = 3, 9, 1
			}
		}},
		"another lease from there on, which may": {inject: func(c *clean) { c.stored[38].Owner, c.stored[38].Epoch = 8, 8 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record()
			c.inject(&r)
			v := r.history().Check()
			got := map[string]int{}
			for _, l := range v.Lists() {
				if len(l.Sentences) > 0 {
					got[l.Name] = len(l.Sentences)
				}
			}
			if c.want == nil {
				c.want = map[string]int{}
			}
			require.Equal(t, c.want, got, "%+v", v)
			require.Equal(t, len(c.want) == 0, v.OK())
		})
	}
}

func TestOutstandingCountsDeliveriesToCome(t *testing.T) {
	t.Parallel()
	c := record()
	require.Zero(t, c.history().Outstanding())
	c.seen["@r1"] = c.seen["@r1"][:38]
	require.Equal(t, 2, c.history().Outstanding())
}
