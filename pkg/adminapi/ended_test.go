package adminapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
)

func TestStatusSaysHowAWorkerEnded(t *testing.T) {
	t.Parallel()
	pool := open(t)
	stays, drains := join(t, pool, "stays"), join(t, pool, "drains")
	stays.awaitClaims(t)
	require.NoError(t, drains.Drain(t.Context()))
	exec := func(sql string) {
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	exec(`INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at, died_at, died_of)
		VALUES ('shot', 'shot:1', 'p', '{sync}', 1, 3, clock_timestamp(), clock_timestamp(), 'refused')`)
	exec(`INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
		VALUES ('long-gone', 'long-gone:1', 'p', '{sync}', 1, 3, clock_timestamp() - interval '1 hour')`)

	got := map[string]admin.Worker{}
	for _, w := range stays.status(t).Workers {
		got[w.Pod] = w
	}
	require.Len(t, got, 3)
	require.Equal(t, []string{"live", "", ""}, []string{got["stays"].State, got["stays"].Ended, got["stays"].DiedOf})
	require.Equal(t, []string{"dead", "drained", ""}, []string{got["drains"].State, got["drains"].Ended, got["drains"].DiedOf})
	require.Equal(t, []string{"dead", "died", "refused"}, []string{got["shot"].State, got["shot"].Ended, got["shot"].DiedOf})
	require.Zero(t, got["drains"].Shards)
}
