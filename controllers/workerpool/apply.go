package workerpool

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

func (c *Controller) carryOut(ctx context.Context, wp *v1alpha1.WorkerPool, s *seen, action plan.PoolAction, n int32) error {
	switch action {
	case plan.PoolApply:
		h := desired.HomeserverOf(s.homeserver)
		h.Inputs = s.homeserver.Status.PodInputs
		p := desired.PoolOf(wp, h)
		p.Replicas = n
		owner := desired.Owner{Kind: "WorkerPool", Name: wp.Name, UID: string(wp.UID)}
		if err := c.apply.Apply(ctx, desired.Deployment(p, owner), &appsv1.Deployment{}, wp.UID); err != nil {
			return err
		}
		return c.apply.Apply(ctx, desired.DisruptionBudget(p, owner), &policyv1.PodDisruptionBudget{}, wp.UID)
	case plan.PoolScale:
		return c.scale(ctx, s.deployment, n)
	default:
		return nil
	}
}

// scale changes the number of replicas and leaves the template as it is.
func (c *Controller) scale(ctx context.Context, d *appsv1.Deployment, n int32) error {
	if d.Spec.Replicas != nil && *d.Spec.Replicas == n {
		return nil
	}
	scaled := d.DeepCopy()
	scaled.Spec.Replicas = &n
	if err := c.client.Patch(ctx, scaled, client.MergeFrom(d), c.apply.Owner()); err != nil {
		return fmt.Errorf("scale the Deployment %s: %w", d.Name, err)
	}
	return nil
}

func replicas(wp *v1alpha1.WorkerPool) int32 {
	if wp.Spec.Replicas == nil {
		return 1
	}
	return *wp.Spec.Replicas
}
