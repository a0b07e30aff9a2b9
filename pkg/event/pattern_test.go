package event_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
)

func TestMatchType(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, evType string
		want            bool
	}{
		{"m.room.message", "m.room.message", true},
		{"m.room.message", "m.room.messages", false},
		{"*", "", true},
		{"*", "x", true},
		{"m.room.*", "m.room.name", true},
		{"m.room.*", "m.call.invite", false},
		{"*.name", "m.room.name", true},
		{"*.name", "m.room.names", false},
		{"m.*.a*e", "m.room.name", false},
		{"m.*.n*e", "m.room.name", true},
		{"a*a", "a", false},
		{"a**a", "aa", true},
		{"*ab*ab", "abab", true},
		{"*ab*ab", "ab", false},
		{"", "x", false},
		{strings.Repeat("*a", 5000), strings.Repeat("a", 4999), false},
	} {
		require.Equal(t, tt.want, event.MatchType(tt.pattern, tt.evType), "%.20q %.20q", tt.pattern, tt.evType)
	}
}
