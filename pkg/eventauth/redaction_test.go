package eventauth_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
)

func TestRedactionApplies(t *testing.T) {
	t.Parallel()
	for i, v := range event.Versions {
		r := usualIn(t, v)
		r.levels(fields{"redact": 50, "users": fields{alice: 50}})
		levels := eventauth.LevelsOf(v, r.state)
		applies := func(sender, target string) bool {
			return eventauth.RedactionApplies(v, levels, r.event(sender, "m.room.redaction", nil, fields{}), r.message(target))
		}
		require.True(t, applies(alice, remote), "with the redact level")
		require.True(t, applies(bob, alice), "of the same server")
		require.True(t, applies(creator, remote))
		require.Equal(t, i+1 <= 2, applies(bob, remote), "what versions 1 and 2 accepted applies")

		another := newRoomWithID(t, v, "!another:hs.example", fields{"another": true})
		redaction := r.event(alice, "m.room.redaction", nil, fields{})
		require.False(t, eventauth.RedactionApplies(v, levels, redaction, another.message(bob)), "of another room")
	}
}
