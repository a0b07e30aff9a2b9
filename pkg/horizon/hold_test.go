package horizon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func TestBackendsAreEndedWhilePStands(t *testing.T) {
	t.Parallel()
	now := time.Now()
	moving := step{Horizon: bus.Horizon{Prev: 1, P: 2}, held: true}
	idle := step{Horizon: bus.Horizon{Prev: 2, P: 2}}
	held := step{Horizon: bus.Horizon{Prev: 2, P: 2}, held: true}
	var h hold
	at := func(after time.Duration, s step) bool { return h.stuck(now.Add(after), s) }
	require.False(t, at(0, held))
	require.False(t, at(watchFor-1, held))
	require.True(t, at(watchFor, held))
	require.False(t, at(watchFor+endEvery-1, held))
	require.True(t, at(watchFor+endEvery, held), "what did not help is tried again")
	require.False(t, at(time.Minute, moving))
	require.False(t, at(time.Minute+1, held), "the watch begins again")
	require.False(t, at(2*time.Minute, idle))
	require.False(t, at(2*time.Minute+1, held))
	require.Less(t, leaderTTL+watchFor+stuckAfter, 5*time.Second)
}

func TestAHeldPIsNotToldAgain(t *testing.T) {
	t.Parallel()
	require.True(t, step{Horizon: bus.Horizon{Prev: 2, P: 2}}.tells(), "nothing above it: it is fresh")
	require.True(t, step{Horizon: bus.Horizon{Prev: 1, P: 2}, held: true}.tells())
	require.False(t, step{Horizon: bus.Horizon{Prev: 2, P: 2}, held: true}.tells())
}

// Whoever trusts a cache as of P must not while something committed a second ago waits above P.
func TestAnOverduePIsNotFresh(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	conn := connect(t, uri)
	c := newCloser(t, uri, 1)
	_, err := conn.Exec(t.Context(), `UPDATE leader SET expires_at = clock_timestamp() + interval '1 hour'`)
	require.NoError(t, err)
	f := NewFollower(openPool(t, uri), bus.Local())
	f.base = f.base.Add(-time.Hour)
	fresh := func() bool {
		f.heard.Store(0)
		require.NoError(t, f.poll(t.Context()))
		return f.silence() < 30*time.Minute // whatever the machine's pace
	}
	require.True(t, fresh())

	open, _ := openBlock(t, connect(t, uri))
	revocation := commitBlock(t, conn)
	c.must(t)
	require.True(t, fresh(), "the block above P is young")
	_, err = conn.Exec(t.Context(), `UPDATE stream_block SET committed_at = committed_at - interval '40 minutes' WHERE block = $1`, revocation)
	require.NoError(t, err)
	require.False(t, fresh())
	require.NoError(t, open.Commit(t.Context()))
	require.Equal(t, end(revocation), c.must(t).P)
	require.True(t, fresh())
}
