package workerpool

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// writeStatus builds the status anew from what was seen, and writes it if it differs.
func (c *Controller) writeStatus(ctx context.Context, wp *v1alpha1.WorkerPool, s *seen, waiting, stuck *plan.Verdict, scaling string) error {
	before := wp.DeepCopy()
	status := &wp.Status
	status.ObservedGeneration = wp.Generation
	status.Selector = desired.PoolPods(wp.Spec.HomeserverRef.Name, wp.Name).String()
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
	if equality.Semantic.DeepEqual(before.Status, wp.Status) {
		return nil
	}
	return c.apply.Status(ctx, before, wp)
}
