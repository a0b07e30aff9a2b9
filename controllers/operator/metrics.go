package operator

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Conditions tells the conditions of all Homeservers and WorkerPools at each scrape, until ctx is done. Shards are left out:
// there are many, and the Homeserver's condition ShardsClaimed sums them up.
func Conditions(ctx context.Context, cached client.Reader) prometheus.Collector {
	return conditions{ctx, cached}
}

type conditions struct {
	ctx    context.Context // a Collector is given none
	cached client.Reader
}

var conditionMetric = prometheus.NewDesc("myelin_resource_condition",
	"Condition of a Homeserver or WorkerPool: 1 True, 0 False, -1 Unknown.",
	[]string{"kind", "namespace", "name", "condition", "reason"}, nil)

// Describe is part of prometheus.Collector.
func (conditions) Describe(to chan<- *prometheus.Desc) { to <- conditionMetric }

// Collect is part of prometheus.Collector. A cache that is not there yet tells nothing.
func (c conditions) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(c.ctx, time.Second)
	defer cancel()
	var homeservers v1alpha1.HomeserverList
	if c.cached.List(ctx, &homeservers) == nil {
		for i := range homeservers.Items {
			tell(to, "Homeserver", &homeservers.Items[i], homeservers.Items[i].Status.Conditions)
		}
	}
	var pools v1alpha1.WorkerPoolList
	if c.cached.List(ctx, &pools) == nil {
		for i := range pools.Items {
			tell(to, "WorkerPool", &pools.Items[i], pools.Items[i].Status.Conditions)
		}
	}
}

func tell(to chan<- prometheus.Metric, kind string, o metav1.Object, all []metav1.Condition) {
	for _, c := range all {
		value := -1.0
		switch c.Status {
		case metav1.ConditionTrue:
			value = 1
		case metav1.ConditionFalse:
			value = 0
		}
		to <- prometheus.MustNewConstMetric(conditionMetric, prometheus.GaugeValue, value,
			kind, o.GetNamespace(), o.GetName(), c.Type, c.Reason)
	}
}
