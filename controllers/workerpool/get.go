package workerpool

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
	"github.com/myelin-hs/myelin/controllers/rollout"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// seen is all that a pass looks at; nil for what is not there.
type seen struct {
	homeserver *v1alpha1.Homeserver
	deployment *appsv1.Deployment
	// siblings are the homeserver's pools that have a Deployment, this one included; only while its image changes.
	siblings []plan.PoolImage
	// pods by name, and the newest worker in each; only while pods are stopped.
	pods    map[string]*corev1.Pod
	workers map[string]admin.Worker
}

func (c *Controller) look(ctx context.Context, wp *v1alpha1.WorkerPool) (*seen, error) {
	s := &seen{}
	hs := &v1alpha1.Homeserver{}
	found, err := get(ctx, c.client, client.ObjectKey{Namespace: wp.Namespace, Name: wp.Spec.HomeserverRef.Name}, hs)
	if err != nil {
		return nil, fmt.Errorf("read the Homeserver: %w", err)
	}
	if found && hs.DeletionTimestamp.IsZero() {
		s.homeserver = hs
	}
	d := &appsv1.Deployment{}
	if found, err = get(ctx, c.client, client.ObjectKeyFromObject(wp), d); err != nil {
		return nil, fmt.Errorf("read the Deployment: %w", err)
	}
	if found && metav1.IsControlledBy(d, wp) {
		s.deployment = d
	}
	if s.homeserver != nil && s.deployment != nil && rollout.ImageOf(s.deployment) != s.homeserver.Spec.Image {
		s.siblings, err = rollout.Look(ctx, c.client, s.homeserver)
	}
	return s, err
}

// paused is the verdict for a pool that is paused by itself or with its Homeserver; nil: it is not.
func (s *seen) paused(wp *v1alpha1.WorkerPool) *plan.Verdict {
	var object string
	switch {
	case v1alpha1.Paused(wp):
		object = "WorkerPool " + wp.Name
	case s.homeserver != nil && v1alpha1.Paused(s.homeserver):
		object = "Homeserver " + s.homeserver.Name
	default:
		return nil
	}
	v := plan.Paused(object)
	return &v
}

// forPool is what the plan needs of the Homeserver.
func (s *seen) forPool() *plan.HomeserverForPool {
	if s.homeserver == nil {
		return nil
	}
	p := &plan.HomeserverForPool{Observed: s.homeserver.Status.ObservedGeneration == s.homeserver.Generation}
	ready := meta.FindStatusCondition(s.homeserver.Status.Conditions, v1alpha1.ConditionDatabaseReady)
	switch {
	case ready == nil || s.homeserver.Status.Database == nil || s.homeserver.Status.PodInputs == "":
	case ready.Status == metav1.ConditionTrue:
		p.Verified = true
	default:
		p.Reason = ready.Reason
	}
	return p
}

// forReady is what the plan needs of the Deployment.
func (s *seen) forReady() *plan.DeploymentSeen {
	d := s.deployment
	if d == nil {
		return nil
	}
	p := &plan.DeploymentSeen{
		Observed: d.Status.ObservedGeneration >= d.Generation,
		Replicas: d.Status.Replicas, Ready: d.Status.ReadyReplicas, Updated: d.Status.UpdatedReplicas,
	}
	for _, cond := range d.Status.Conditions {
		switch {
		case cond.Type == appsv1.DeploymentProgressing && cond.Status == "False":
			p.Stuck = cond.Message
		case cond.Type == appsv1.DeploymentReplicaFailure && cond.Status == "True":
			p.Failure = cond.Message
		}
	}
	return p
}
