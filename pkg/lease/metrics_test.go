package lease

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

type nobody struct{ Holder }

func (nobody) Lost(int) {}

// Who serves a shard, and at which epoch, is to be seen at its owner and nowhere else.
func TestEachServedShardHasASeries(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := alone()
	m.metrics, m.holder = newMetrics(registry), nobody{}
	epochs := func() map[string]float64 {
		families, err := registry.Gather()
		require.NoError(t, err)
		found := map[string]float64{}
		for _, f := range families {
			if f.GetName() == "myelin_lease_shard_epoch" {
				for _, one := range f.GetMetric() {
					found[one.GetLabel()[0].GetValue()] = one.GetGauge().GetValue()
				}
			}
		}
		return found
	}
	m.hold(map[int]int64{12: 5, 7: 9})
	require.Equal(t, map[string]float64{"12": 5, "7": 9}, epochs())
	m.lose(12)
	require.Equal(t, map[string]float64{"7": 9}, epochs())
}
