package workerpool

import (
	"context"
	"errors"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
		return nil, c.removeAutoscaler(ctx, wp, hpa)
	}
	owner := desired.Owner{Kind: "WorkerPool", Name: wp.Name, UID: string(wp.UID)}
	var v plan.Verdict
	switch err := c.apply.Apply(ctx, desired.Autoscaler(wp, owner), hpa, wp.UID); {
	case err == nil:
		v = plan.Autoscaling(conditionsOf(hpa))
	case errors.Is(err, apply.ErrNameTaken):
		v = plan.NameTaken("WorkerPool", wp.Name)
	case apierrors.IsInvalid(err):
		v = plan.AutoscalerRefused(err.Error())
	default:
		return nil, err
	}
	return &v, nil
}

func (c *Controller) removeAutoscaler(ctx context.Context, wp *v1alpha1.WorkerPool, hpa *autoscalingv2.HorizontalPodAutoscaler) error {
	found, err := get(ctx, c.client, client.ObjectKeyFromObject(wp), hpa)
	if err != nil || !found || !metav1.IsControlledBy(hpa, wp) || !hpa.DeletionTimestamp.IsZero() {
		return err
	}
	if err := c.client.Delete(ctx, hpa, client.Preconditions{UID: &hpa.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove the autoscaler that the spec no longer wants: %w", err)
	}
	return nil
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
