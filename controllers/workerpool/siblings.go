package workerpool

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// lookAtSiblings reads what a rollout needs to know of the homeserver's pools.
func (c *Controller) lookAtSiblings(ctx context.Context, hs *v1alpha1.Homeserver) ([]plan.PoolImage, error) {
	var pools v1alpha1.WorkerPoolList
	if err := c.client.List(ctx, &pools, client.InNamespace(hs.Namespace)); err != nil {
		return nil, fmt.Errorf("list WorkerPools: %w", err)
	}
	var all []plan.PoolImage
	for i := range pools.Items {
		wp := &pools.Items[i]
		if wp.Spec.HomeserverRef.Name != hs.Name || !wp.DeletionTimestamp.IsZero() {
			continue
		}
		d := &appsv1.Deployment{}
		found, err := get(ctx, c.client, client.ObjectKeyFromObject(wp), d)
		if err != nil {
			return nil, fmt.Errorf("read the Deployment of the WorkerPool %s: %w", wp.Name, err)
		}
		if !found || !metav1.IsControlledBy(d, wp) {
			continue
		}
		all = append(all, plan.PoolImage{
			Name: wp.Name, Roles: wp.Spec.Roles, Image: imageOf(d), RolledOut: rolledOut(d), Paused: v1alpha1.Paused(wp),
		})
	}
	return all, nil
}

func imageOf(d *appsv1.Deployment) string {
	for _, c := range d.Spec.Template.Spec.Containers {
		return c.Image
	}
	return ""
}

// rolledOut says that all pods are of the present template, and that one is ready if there is to be any.
func rolledOut(d *appsv1.Deployment) bool {
	wanted := d.Spec.Replicas == nil || *d.Spec.Replicas > 0
	return d.Status.ObservedGeneration >= d.Generation && d.Status.Replicas == d.Status.UpdatedReplicas &&
		(!wanted || d.Status.AvailableReplicas > 0)
}
