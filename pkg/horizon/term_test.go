package horizon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// Terms are judged by the database's clock alone: everybody reads the same.
func TestATermEndsASecondAfterItWasLastRenewed(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	now := time.Now().Truncate(time.Microsecond)
	pgtest.OwnClock(t, uri, now)
	first, second, pool := connect(t, uri), connect(t, uri), openPool(t, uri)
	at := func(after time.Duration) { require.NoError(t, pgtest.SetClock(t.Context(), first, now.Add(after))) }
	requireLeft := func(want time.Duration) {
		t.Helper()
		left, err := termLeft(t.Context(), pool)
		require.NoError(t, err)
		require.Equal(t, want, left)
		s, err := look(t.Context(), pool)
		require.NoError(t, err)
		require.Equal(t, want > 0, s.alive, "followers hold P for fresh while somebody announces")
		if want > 0 {
			_, err = begin(t.Context(), second, 2)
			require.ErrorIs(t, err, errDeposed)
		}
	}
	requireLeft(0)
	term, err := begin(t.Context(), first, 1)
	require.NoError(t, err)
	requireLeft(time.Second)
	at(600 * time.Millisecond)
	requireLeft(400 * time.Millisecond)
	require.NoError(t, term.renew(t.Context(), first))
	requireLeft(time.Second)
	at(1600*time.Millisecond - time.Microsecond)
	requireLeft(time.Microsecond)
	at(1600 * time.Millisecond)
	requireLeft(0)
	require.NoError(t, term.renew(t.Context(), first), "late, but nobody was quicker")
	requireLeft(time.Second)
	require.NoError(t, term.resign(t.Context(), first))
	requireLeft(0)
	_, err = begin(t.Context(), second, 2)
	require.NoError(t, err)
	require.ErrorIs(t, term.renew(t.Context(), first), errDeposed)
	requireLeft(time.Second)
}
