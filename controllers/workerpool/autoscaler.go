package workerpool

import (
	"context"
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/apply"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// +kubebuilder:rbac:groups=autoscaling,resources=horizontalpodautoscalers,verbs=get;list;watch;create;patch;delete

// autoscale makes the HorizontalPodAutoscaler if the spec wants one, and says how it does; otherwise it removes the one that
// was made before, and the replicas stay as they are. What is wrong with it is told by the verdict, and is no error. Nil:
// there is nothing to say.
func (c *Controller) autoscale(ctx context.Context, wp *v1alpha1.WorkerPool) (*plan.Verdict, error) {
	hpa := &autoscalingv2.HorizontalPodAutoscaler{}
	if wp.Spec.Autoscaling == nil {
		return nil, c.apply.Remove(ctx, client.ObjectKeyFromObject(wp), hpa, wp.UID)
	}
	owner := desired.Owner{Kind: "WorkerPool", Name: wp.Name, UID: string(wp.UID)}
	if err := c.apply.Apply(ctx, desired.Autoscaler(wp, owner), hpa, wp.UID); err != nil {
		return apply.Verdict(err, "WorkerPool", plan.AutoscalerRefused)
	}
	v := plan.Autoscaling(seenOf(hpa))
	return &v, nil
}

// watchAutoscaler says how the HorizontalPodAutoscaler does that was made before, and changes nothing. Nil: there is none.
func (c *Controller) watchAutoscaler(ctx context.Context, wp *v1alpha1.WorkerPool) (*plan.Verdict, error) {
	hpa := &autoscalingv2.HorizontalPodAutoscaler{}
	found, err := get(ctx, c.client, client.ObjectKeyFromObject(wp), hpa)
	if err != nil {
		return nil, fmt.Errorf("read the HorizontalPodAutoscaler: %w", err)
	}
	if !found || !metav1.IsControlledBy(hpa, wp) {
		return nil, nil
	}
	v := plan.Autoscaling(seenOf(hpa))
	return &v, nil
}

func seenOf(hpa *autoscalingv2.HorizontalPodAutoscaler) plan.AutoscalerSeen {
	seen := plan.AutoscalerSeen{LagMissing: lagMissing(hpa)}
	for _, c := range hpa.Status.Conditions {
		seen.Conditions = append(seen.Conditions, plan.AutoscalerCondition{
			Type: string(c.Type), True: c.Status == corev1.ConditionTrue, Reason: c.Reason, Message: c.Message,
		})
	}
	return seen
}

// lagMissing says whether the autoscaler got metrics but not the lag. Of each look it writes one entry for each metric of
// the spec, and of one that it did not get an empty one; none at all, where it did not look for any, and another number,
// where the spec has changed since.
func lagMissing(hpa *autoscalingv2.HorizontalPodAutoscaler) bool {
	wanted := slices.ContainsFunc(hpa.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool { return m.External != nil })
	told := slices.ContainsFunc(hpa.Status.CurrentMetrics, func(m autoscalingv2.MetricStatus) bool { return m.External != nil })
	return wanted && !told && len(hpa.Status.CurrentMetrics) == len(hpa.Spec.Metrics)
}
