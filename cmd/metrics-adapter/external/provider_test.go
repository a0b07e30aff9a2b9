package external

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/myelin-hs/myelin/controllers/lagmetrics"
	"github.com/myelin-hs/myelin/pkg/lag"
)

type answers struct {
	asked lagmetrics.Question
	lagmetrics.Answer
	err error
}

func (a *answers) Lag(_ context.Context, q lagmetrics.Question) (lagmetrics.Answer, error) {
	a.asked = q
	return a.Answer, a.err
}

const ofDemo = "myelin.dev/homeserver=demo,myelin.dev/pool=persisters"

func ask(t *testing.T, a *answers, metric, selector string) (int64, *apierrors.StatusError) {
	t.Helper()
	parsed, err := labels.Parse(selector)
	require.NoError(t, err)
	list, err := metrics{a}.GetExternalMetric(t.Context(), "a", parsed, provider.ExternalMetricInfo{Metric: metric})
	if err != nil {
		var status *apierrors.StatusError
		require.ErrorAs(t, err, &status)
		require.Nil(t, list)
		return 0, status
	}
	require.Len(t, list.Items, 1)
	require.Equal(t, a.At, list.Items[0].Timestamp.Time)
	require.Equal(t, lagmetrics.Metric, list.Items[0].MetricName)
	return list.Items[0].Value.Value(), nil
}

func TestTheValueIsTheTotalInMilliseconds(t *testing.T) {
	t.Parallel()
	for selector, target := range map[string]time.Duration{
		ofDemo: 0,
		"myelin.dev/homeserver in (demo), myelin.dev/pool==persisters": 0,
		ofDemo + ",myelin.dev/lag-target-milliseconds=250":             250 * time.Millisecond,
	} {
		a := &answers{Answer: lagmetrics.Answer{Total: 1500*time.Millisecond + 1, At: time.Unix(1, 0)}}
		value, err := ask(t, a, lagmetrics.Metric, selector)
		require.Nil(t, err)
		require.Equal(t, int64(1501), value, "what waits is rounded up")
		require.Equal(t, lagmetrics.Question{Namespace: "a", Homeserver: "demo", Pool: "persisters", Target: target}, a.asked)
	}
}

func TestWhatIsNotKnownIsRefusedInWords(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		metric, selector string
		err              error
		code             int32
		says             string
	}{
		"another metric":         {"myelin_lag", ofDemo, nil, http.StatusNotFound, `there is no metric "myelin_lag", only myelin_lag_milliseconds`},
		"no selector":            {lagmetrics.Metric, "", nil, http.StatusBadRequest, "does not say which myelin.dev/homeserver"},
		"no pool":                {lagmetrics.Metric, "myelin.dev/homeserver=demo", nil, http.StatusBadRequest, "does not say which myelin.dev/pool"},
		"an empty name":          {lagmetrics.Metric, "myelin.dev/homeserver=demo,myelin.dev/pool=", nil, http.StatusBadRequest, "does not say which myelin.dev/pool"},
		"one of several":         {lagmetrics.Metric, "myelin.dev/homeserver=demo,myelin.dev/pool in (a,b)", nil, http.StatusBadRequest, "myelin.dev/pool is one value"},
		"all but one":            {lagmetrics.Metric, "myelin.dev/homeserver=demo,myelin.dev/pool!=a", nil, http.StatusBadRequest, "myelin.dev/pool is one value"},
		"any":                    {lagmetrics.Metric, "myelin.dev/homeserver,myelin.dev/pool=a", nil, http.StatusBadRequest, "myelin.dev/homeserver is one value"},
		"two at once":            {lagmetrics.Metric, ofDemo + ",myelin.dev/pool=other", nil, http.StatusBadRequest, "names myelin.dev/pool twice"},
		"an unknown label":       {lagmetrics.Metric, ofDemo + ",pool=x", nil, http.StatusBadRequest, "has the label pool"},
		"a target that is none":  {lagmetrics.Metric, ofDemo + ",myelin.dev/lag-target-milliseconds=1s", nil, http.StatusBadRequest, `is "1s": give whole milliseconds`},
		"a target out of bounds": {lagmetrics.Metric, ofDemo + ",myelin.dev/lag-target-milliseconds=9", nil, http.StatusBadRequest, "10 to 600000"},
		"no such pool":           {lagmetrics.Metric, ofDemo, lagmetrics.ErrMissing, http.StatusNotFound, "there is no such pool"},
		"an unknown lag":         {lagmetrics.Metric, ofDemo, lag.Unknown("the pool has no worker"), http.StatusServiceUnavailable, "the lag is not known: the pool has no worker"},
		"anything else":          {lagmetrics.Metric, ofDemo, errors.New("oops"), http.StatusInternalServerError, "oops"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ask(t, &answers{err: test.err}, test.metric, test.selector)
			require.NotNil(t, err)
			require.Equal(t, test.code, err.Status().Code)
			require.Contains(t, err.Error(), test.says)
		})
	}
}
