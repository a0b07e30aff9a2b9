// Package rollout sees how far an image is rolled out to a homeserver's pools, for all controllers that wait for it.
package rollout

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// Look reads what a rollout needs to know of the homeserver's pools that have a Deployment.
func Look(ctx context.Context, c client.Client, hs *v1alpha1.Homeserver) ([]plan.PoolImage, error) {
	var pools v1alpha1.WorkerPoolList
	if err := c.List(ctx, &pools, client.InNamespace(hs.Namespace)); err != nil {
		return nil, fmt.Errorf("list WorkerPools: %w", err)
	}
	var all []plan.PoolImage
	for i := range pools.Items {
		wp := &pools.Items[i]
		if wp.Spec.HomeserverRef.Name != hs.Name || !wp.DeletionTimestamp.IsZero() {
			continue
		}
		d := &appsv1.Deployment{}
		switch err := c.Get(ctx, client.ObjectKeyFromObject(wp), d); {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("read the Deployment of the WorkerPool %s: %w", wp.Name, err)
		case !metav1.IsControlledBy(d, wp):
			continue
		}
		all = append(all, plan.PoolImage{
			Name: wp.Name, Roles: wp.Spec.Roles, Image: ImageOf(d), RolledOut: rolledOut(d), Paused: v1alpha1.Paused(wp),
		})
	}
	return all, nil
}

// ImageOf is the image of the Deployment's workers.
func ImageOf(d *appsv1.Deployment) string {
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
