package lag_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/lag"
)

// replicas is what Kubernetes makes of an external metric with an AverageValue: GetExternalPerPodMetricReplicas of its replica
// calculator, in thousandths and with the tolerance of a tenth that it has unless told otherwise. size is what the target's
// scale has as its status.
func replicas(size int, total time.Duration) int {
	const tolerance = 0.1
	usage, perPod := float64(1000*total.Milliseconds()), float64(1000*target.Milliseconds())
	if ratio := usage / (perPod * float64(size)); 1-tolerance <= ratio && ratio <= 1+tolerance {
		return size
	}
	return int(math.Ceil(usage / perPod))
}

func TestAnAutoscalerThatIsToldToStayDoes(t *testing.T) {
	t.Parallel()
	young := func(w *lag.Worker) { w.Age = 0 }
	for wanted := 1; wanted <= 300; wanted++ {
		stay, err := persisters(wanted, changed(persister(time.Hour, time.Hour), young)).Signal(target)
		require.NoError(t, err)
		require.Equal(t, wanted, replicas(wanted, stay))
		if wanted >= 9 {
			require.Equal(t, wanted+1, replicas(wanted+1, stay), "so the size must not be the pods, of which one more may be there")
		}
		if wanted >= 11 {
			require.Equal(t, wanted-1, replicas(wanted-1, stay), "or one may be missing")
		}
	}
}

func TestAnAutoscalerFollowsTheLag(t *testing.T) {
	t.Parallel()
	for wanted := 1; wanted <= 300; wanted++ {
		for _, c := range []struct {
			lag  time.Duration
			want int
		}{{0, 0}, {target / 2, (wanted + 1) / 2}, {target + target/10, wanted}, {2 * target, 2 * wanted}} {
			var workers []lag.Worker
			for range wanted {
				workers = append(workers, reader(c.lag))
			}
			total, err := readers(wanted, workers...).Signal(target)
			require.NoError(t, err)
			require.Equal(t, c.want, replicas(wanted, total))
		}
	}
}
