package traffic

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrderKeepsWeightsAndSpreadsThem(t *testing.T) {
	t.Parallel()
	mixed, known := FindProfile("mixed")
	require.True(t, known)
	for _, mix := range [][]Share{mixed.Mix, {{Sync, 9}, {Send, 1}}, {{Send, 3}}} {
		round := order(mix)
		total := len(round)
		for _, s := range mix {
			seen := 0
			for i, kind := range round {
				if kind == s.Kind {
					seen++
				}
				require.InDelta(t, float64(s.Weight*(i+1))/float64(total), float64(seen), float64(len(mix)), "%s after %d", s.Kind, i+1)
			}
			require.Equal(t, s.Weight, seen)
		}
	}
}

func TestEveryProfileHasASizeThatWorks(t *testing.T) {
	t.Parallel()
	for _, p := range Profiles {
		require.NoError(t, p.Size.Check(), p.Name)
		require.NotEmpty(t, p.Mix)
	}
}
