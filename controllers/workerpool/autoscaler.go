package workerpool

import (
	"context"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
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
	v := plan.Autoscaling(conditionsOf(hpa))
	return &v, nil
}

func conditionsOf(hpa *autoscalingv2.HorizontalPodAutoscaler) []plan.AutoscalerCondition {
	var all []plan.AutoscalerCondition
	for _, c := range hpa.Status.Conditions {
		all = append(all, plan.AutoscalerCondition{
			Type: string(c.Type), True: c.Status == corev1.ConditionTrue, Reason: c.Reason, Message: c.Message,
		})
	}
	return all
}
