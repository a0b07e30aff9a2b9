package history_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/test/e2e/history"
)

// What an asynchronous standby never got is forgotten; what else is wrong is still found.
func TestForgottenEventsAreNotMissed(t *testing.T) {
	t.Parallel()
	fill := func(h *history.History) {
		h.Receiver("@r:x", "!a")
		for i, e := range []string{"$1", "$2", "$3"} {
			h.Sent(history.Sent{Room: "!a", Sender: "@s:x", Key: e + "k", Seq: i + 1, EventID: e})
			h.Seen(history.Seen{Receiver: "@r:x", Room: "!a", Key: e + "k", EventID: e})
		}
		h.Stored([]history.Stored{{Room: "!a", Key: "$1k", EventID: "$1", Position: 1}})
	}
	var h history.History
	fill(&h)
	require.Len(t, h.Check().Lost, 2)
	require.Equal(t, 1, h.Forget(map[string]bool{"$3": true}, time.Now()))
	v := h.Check()
	require.Len(t, v.Lost, 1, "$2 is missing all the same")
	require.Len(t, v.Invented, 1)
	require.Equal(t, 1, h.Forget(map[string]bool{"$2": true}, time.Now()))
	require.True(t, h.Check().OK())
}

// A client that was not told may send again: the reader gets the new event, having seen the lost one.
func TestForgottenEventsMayComeAgain(t *testing.T) {
	t.Parallel()
	var h history.History
	h.Receiver("@r:x", "!a")
	h.Sent(history.Sent{Room: "!a", Sender: "@s:x", Key: "k", Seq: 1, EventID: "$again"})
	h.Seen(history.Seen{Receiver: "@r:x", Room: "!a", Key: "k", EventID: "$lost"})
	h.Seen(history.Seen{Receiver: "@r:x", Room: "!a", Key: "k", EventID: "$again"})
	h.Stored([]history.Stored{{Room: "!a", Key: "k", EventID: "$again", Position: 1}})
	require.False(t, h.Check().OK())
	h.Forget(map[string]bool{"$lost": true}, time.Now())
	require.True(t, h.Check().OK())
}

func TestNobodyIsToldOfLostEventsAfterwards(t *testing.T) {
	t.Parallel()
	var h history.History
	h.Receiver("@r:x", "!a")
	loss := time.Now()
	h.Seen(history.Seen{Receiver: "@r:x", Room: "!a", Key: "k", EventID: "$lost", At: loss.Add(time.Second)})
	h.Sent(history.Sent{Room: "!a", Sender: "@s:x", Key: "k", Seq: 1, EventID: "$lost", Answered: loss.Add(time.Second)})
	require.Zero(t, h.Forget(map[string]bool{"$lost": true}, loss))
	v := h.Check()
	require.Len(t, v.Lost, 1)
	require.Len(t, v.Invented, 1)
}
