package horizon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRoundsAreImmediateInQuietAndSpacedUnderLoad(t *testing.T) {
	t.Parallel()
	var p pace
	now := time.Now()
	for range maxBurst {
		require.Zero(t, p.left(now))
		p.begin(now)
	}
	require.Equal(t, minSpacing, p.left(now))

	now = now.Add(time.Hour)
	rounds := 0
	for end := now.Add(time.Second); now.Before(end); now = now.Add(time.Millisecond) { // pokes
		if p.left(now) == 0 {
			p.begin(now)
			rounds++
		}
	}
	require.InDelta(t, time.Second/minSpacing, rounds, maxBurst)
}
