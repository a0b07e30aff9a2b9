package lease

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// What was raised on a former primary settles nothing about writes that stand on the new one.
func TestRaiseDoesNotBelieveAFormerPrimary(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	pool, err := pgxpool.New(t.Context(), c.uri)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	m, err := Join(t.Context(), pool, Self{Pod: "a", Addr: "10.0.0.1:8090", Roles: []string{RolePersister}, Protocol: liveMap}, Options{})
	require.NoError(t, err)
	c.exec(`UPDATE shard_lease SET owner = $1, epoch = 5, claimed = true WHERE shard_id = 3`, m.ID())
	m.generation.Store(2) // and the pool leads to generation 1
	raised := make(chan map[int]int64, 1)
	go func() {
		epochs, _ := m.Raise(t.Context(), map[int]int64{3: 5})
		raised <- epochs
	}()
	c.eventually("it tries again", func() bool { _, epoch, _ := c.owner(3); return epoch > 6 })
	require.Empty(t, raised)
	m.generation.Store(1)
	require.Greater(t, (<-raised)[3], int64(6))
}
