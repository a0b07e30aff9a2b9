package route

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParkingIsBoundedInAll(t *testing.T) {
	t.Parallel()
	var p parking
	shards := 0
	for shards < 100 && p.enter(shards, maxParkedBytes) {
		shards++
	}
	require.Equal(t, maxTotalBytes/maxParkedBytes, shards)
	require.Len(t, p.shards, shards, "who was refused left nothing behind")
	p.leave(0, maxParkedBytes)
	require.True(t, p.enter(0, 0))

	p, n := parking{}, 0
	for n < 2*maxTotal && p.enter(n%64, 0) {
		n++
	}
	require.Equal(t, maxTotal, n)
	for i := range n {
		p.leave(i%64, 0)
	}
	require.Empty(t, p.shards)
	require.Zero(t, p.total)
}
