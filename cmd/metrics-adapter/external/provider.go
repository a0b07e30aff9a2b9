// Package external serves the lag of pools as the external metrics API of Kubernetes, external.metrics.k8s.io/v1beta1, which
// the API server passes requests on to (an APIService). HorizontalPodAutoscalers read it:
//
//	metric: {name: myelin_lag_milliseconds, selector: {matchLabels: {myelin.dev/homeserver: demo, myelin.dev/pool: demo-persister}}}
//	target: {type: AverageValue, averageValue: "250"}
//
// The target has to be the pool's own lag target; of a pool that has none, or for another target, the selector says it
// in a third label, myelin.dev/lag-target-milliseconds.
package external

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/metrics/pkg/apis/external_metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/lagmetrics"
	"github.com/myelin-hs/myelin/pkg/lag"
)

// LabelTarget is the label of a selector that says the target, in whole milliseconds.
const LabelTarget = "myelin.dev/lag-target-milliseconds"

// Lags answers questions; a lagmetrics.Reader does.
type Lags interface {
	Lag(context.Context, lagmetrics.Question) (lagmetrics.Answer, error)
}

// metrics is what the API asks for values.
type metrics struct{ lags Lags }

var _ provider.ExternalMetricsProvider = metrics{}

// ListAllExternalMetrics is what discovery shows.
func (metrics) ListAllExternalMetrics() []provider.ExternalMetricInfo {
	return []provider.ExternalMetricInfo{{Metric: lagmetrics.Metric}}
}

// GetExternalMetric gives one value, or a Status: 404 for a metric, Homeserver or pool that there is not, 400 for a selector
// that does not name exactly one pool, 503 for a lag that is not known.
func (m metrics) GetExternalMetric(ctx context.Context, namespace string, selector labels.Selector, info provider.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	if info.Metric != lagmetrics.Metric {
		return nil, refuse(http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("there is no metric %q, only %s", info.Metric, lagmetrics.Metric))
	}
	q, named, err := question(namespace, selector)
	if err != nil {
		return nil, refusal(err)
	}
	answer, err := m.lags.Lag(ctx, q)
	if err != nil {
		return nil, refusal(err)
	}
	return &external_metrics.ExternalMetricValueList{Items: []external_metrics.ExternalMetricValue{{
		MetricName:   lagmetrics.Metric,
		MetricLabels: named,
		Timestamp:    metav1.NewTime(answer.At),
		Value:        *resource.NewQuantity(answer.Milliseconds(), resource.DecimalSI),
	}}}, nil
}

// question reads the selector: each label once, each equal to one value.
func question(namespace string, selector labels.Selector) (lagmetrics.Question, map[string]string, error) {
	wrong := func(format string, a ...any) (lagmetrics.Question, map[string]string, error) {
		return lagmetrics.Question{}, nil, fmt.Errorf("%w: "+format, append([]any{lagmetrics.ErrInvalid}, a...)...)
	}
	requirements, selectable := selector.Requirements()
	if !selectable {
		return wrong("the selector selects nothing")
	}
	q, named := lagmetrics.Question{Namespace: namespace}, map[string]string{}
	for _, r := range requirements {
		values := r.ValuesUnsorted()
		if op := r.Operator(); len(values) != 1 || op != selection.Equals && op != selection.DoubleEquals && op != selection.In {
			return wrong("the selector has to say that %s is one value, and says %q", r.Key(), r.String())
		}
		if _, twice := named[r.Key()]; twice {
			return wrong("the selector names %s twice", r.Key())
		}
		named[r.Key()] = values[0]
		switch r.Key() {
		case v1alpha1.LabelHomeserver:
			q.Homeserver = values[0]
		case v1alpha1.LabelPool:
			q.Pool = values[0]
		case LabelTarget:
			var err error
			if q.Target, err = lagmetrics.ParseTarget(LabelTarget, values[0]); err != nil {
				return lagmetrics.Question{}, nil, err
			}
		default:
			return wrong("the selector has the label %s; there are %s, %s and %s", r.Key(), v1alpha1.LabelHomeserver, v1alpha1.LabelPool, LabelTarget)
		}
	}
	for _, key := range []string{v1alpha1.LabelHomeserver, v1alpha1.LabelPool} {
		if named[key] == "" {
			return wrong("the selector does not say which %s", key)
		}
	}
	return q, named, nil
}

// refusal is the error as the Kubernetes API tells it.
func refusal(err error) error {
	switch {
	case errors.Is(err, lagmetrics.ErrInvalid):
		return apierrors.NewBadRequest(err.Error())
	case errors.Is(err, lagmetrics.ErrMissing):
		return refuse(http.StatusNotFound, metav1.StatusReasonNotFound, err.Error())
	case errors.Is(err, lag.ErrUnknown):
		return apierrors.NewServiceUnavailable(err.Error())
	}
	return apierrors.NewInternalError(err)
}

func refuse(code int32, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}}
}
