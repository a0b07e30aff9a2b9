package workerpool

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// writeStatus builds the status anew from what was seen, and writes it if it differs.
func (c *Controller) writeStatus(ctx context.Context, wp *v1alpha1.WorkerPool, s *seen, waiting, stuck, autoscaling *plan.Verdict, scaling string) error {
	before := wp.DeepCopy()
	status := &wp.Status
	status.ObservedGeneration = wp.Generation
	status.Selector = desired.PoolPods(wp.Spec.HomeserverRef.Name, wp.Name).String()
	status.ObservedReplicas = replicas(wp)
	status.Replicas, status.ReadyReplicas, status.UpdatedReplicas = 0, 0, 0
	if s.deployment != nil {
		status.Replicas = s.deployment.Status.Replicas
		status.ReadyReplicas = s.deployment.Status.ReadyReplicas
		status.UpdatedReplicas = s.deployment.Status.UpdatedReplicas
	}
	ready, reconciling, stalled := plan.PoolReady(replicas(wp), waiting, s.forReady(), scaling)
	if stuck != nil {
		ready, stalled = *stuck, stuck
	}
	plan.SetProgress(&status.Conditions, ready, reconciling, stalled, wp.Generation)
	plan.SetPaused(&status.Conditions, s.paused(wp), wp.Generation)
	plan.SetOptional(&status.Conditions, v1alpha1.ConditionAutoscaling, wp.Spec.Autoscaling != nil, autoscaling, wp.Generation)
	if equality.Semantic.DeepEqual(before.Status, wp.Status) {
		return nil
	}
	if err := c.apply.Status(ctx, before, wp); err != nil {
		return err
	}
	condition := func(o *v1alpha1.WorkerPool) *metav1.Condition {
		return meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionAutoscaling)
	}
	if n := plan.AutoscalingNotice(condition(before), condition(wp)); n != nil {
		c.events.Record(wp, *n)
	}
	return nil
}
