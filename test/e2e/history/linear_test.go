package history_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/test/e2e/history"
)

// at is a moment of the histories below.
func at(second int) time.Time { return time.Unix(1_000_000+int64(second), 0) }

func sent(key string, called, answered int) history.Sent {
	s := history.Sent{Room: "!a", Sender: "@" + key, Key: key, Called: at(called), Sets: true}
	if answered > 0 {
		s.Answered, s.EventID = at(answered), "$"+key
	}
	return s
}

func TestLinearize(t *testing.T) {
	t.Parallel()
	read := func(key string, called, answered int) history.Read {
		return history.Read{Room: "!a", Reader: "@r", Key: key, Called: at(called), Answered: at(answered)}
	}
	for name, c := range map[string]struct {
		sent  []history.Sent
		read  []history.Read
		table []string // keys by position
		want  bool
	}{
		"one after the other":                   {sent: []history.Sent{sent("x", 1, 2), sent("y", 3, 4)}, table: []string{"x", "y"}, want: true},
		"stored against the order of answers":   {sent: []history.Sent{sent("x", 1, 2), sent("y", 3, 4)}, table: []string{"y", "x"}},
		"at once, so in any order":              {sent: []history.Sent{sent("x", 1, 4), sent("y", 2, 3)}, table: []string{"y", "x"}, want: true},
		"a read of what was acknowledged":       {sent: []history.Sent{sent("x", 1, 2)}, read: []history.Read{read("x", 3, 4)}, table: []string{"x"}, want: true},
		"a read that misses what was":           {sent: []history.Sent{sent("x", 1, 2)}, read: []history.Read{read("", 3, 4)}, table: []string{"x"}},
		"a read of what is not yet":             {sent: []history.Sent{sent("x", 3, 4)}, read: []history.Read{read("x", 1, 2)}, table: []string{"x"}},
		"a read that goes back":                 {sent: []history.Sent{sent("x", 1, 9)}, read: []history.Read{read("x", 2, 3), read("", 4, 5)}, table: []string{"x"}},
		"unknown, and stored late":              {sent: []history.Sent{sent("x", 1, 0), sent("y", 2, 3)}, read: []history.Read{read("y", 4, 5), read("x", 8, 9)}, table: []string{"y", "x"}, want: true},
		"unknown, and never stored":             {sent: []history.Sent{sent("x", 1, 0), sent("y", 2, 3)}, read: []history.Read{read("y", 4, 5)}, table: []string{"y"}, want: true},
		"unknown, not stored, but somebody saw": {sent: []history.Sent{sent("x", 1, 0), sent("y", 2, 3)}, read: []history.Read{read("x", 4, 5)}, table: []string{"y"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &history.History{}
			for _, s := range c.sent {
				h.Sent(s)
			}
			for _, r := range c.read {
				h.Read(r)
			}
			for i, key := range c.table {
				h.Stored([]history.Stored{{Room: "!a", Key: key, EventID: "$" + key, Position: int64(i) + 1}})
			}
			l := h.Linearize(time.Minute)
			require.False(t, l.Unknown)
			require.Equal(t, c.want, l.OK)
			picture := filepath.Join(t.TempDir(), "picture.html")
			require.NoError(t, l.Draw(picture))
			require.FileExists(t, picture)
			require.NoError(t, h.Dump(filepath.Join(t.TempDir(), "history.json")))
		})
	}
}

func TestRoomsAreIndependent(t *testing.T) {
	t.Parallel()
	h := &history.History{}
	h.Sent(sent("x", 1, 2))
	other := sent("y", 3, 4)
	other.Room = "!b"
	h.Sent(other)
	h.Stored([]history.Stored{{Room: "!a", Key: "x", EventID: "$x", Position: 2}, {Room: "!b", Key: "y", EventID: "$y", Position: 1}})
	require.True(t, h.Linearize(time.Minute).OK)
}
