package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/lag"
)

func TestAHeartbeatTellsTheLagAndNobodyReadsWorkersAgainForIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	g := c.join("g", timing{}, "gateway")
	h := c.join("h", timing{}, "gateway")
	g.stop()
	h.stop()
	conn, err := c.db.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	tell := func(measured lag.Reading) lag.Reading {
		_, err := h.rows.beat(t.Context(), conn, "", digests{}, measured)
		require.NoError(t, err)
		all, err := rows{pool: c.db}.readWorkers(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.Nil(t, all[0].Lag, "who tells none is unknown, not 0")
		require.Positive(t, all[1].Age)
		return all[1].Lag
	}
	before, err := g.rows.beat(t.Context(), conn, "", digests{}, nil)
	require.NoError(t, err)

	some := lag.Reading{lag.Persister: lag.Sharded([]time.Duration{3 * time.Millisecond, 700 * time.Millisecond}), lag.Sync: {}}
	require.Equal(t, some, tell(some))
	after, err := g.rows.beat(t.Context(), conn, "", before.digests, nil)
	require.NoError(t, err)
	require.Nil(t, after.workers)
	require.Equal(t, before.digests, after.digests)

	require.Nil(t, tell(nil), "what is no longer known is not what it was")
	require.Nil(t, tell(lag.Reading{}))
}

// Workers of two builds live side by side.
func TestLagThatAnotherBuildWroteIsUnknownIfItCannotBeRead(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	g := c.join("g", timing{}, "gateway")
	g.stop()
	for written, want := range map[string]lag.Reading{
		`{"persister": "much"}`: nil,
		`[1, 2]`:                nil,
		`{"sender": {"ms": 5, "mean": 2}, "sync": {"ms": 1}}`: {"sender": {Oldest: 5 * time.Millisecond}, lag.Sync: {Oldest: time.Millisecond}},
	} {
		c.exec(`UPDATE worker SET lag = $1`, written)
		all, err := rows{pool: c.db}.readWorkers(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, all[0].Lag, written)
	}
}
