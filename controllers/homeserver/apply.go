package homeserver

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/apply"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// makeAll makes what every homeserver needs, one after the other. What cannot be had is told by the verdict, and is no error.
func (c *Controller) makeAll(ctx context.Context, hs *v1alpha1.Homeserver, d desired.Homeserver, owner desired.Owner, s *seen, decided decision) (*plan.Verdict, error) {
	err := c.applyServices(ctx, hs, d, owner)
	if err == nil {
		err = c.applyNetworkPolicy(ctx, hs, d, owner)
	}
	if err == nil {
		err = c.applyMigration(ctx, hs, d, owner, s, decided)
	}
	return apply.Verdict(err, "Homeserver", plan.ObjectRefused)
}

func (c *Controller) applyServices(ctx context.Context, hs *v1alpha1.Homeserver, d desired.Homeserver, owner desired.Owner) error {
	for _, service := range desired.Services(d, owner) {
		if err := c.apply.Apply(ctx, service, &corev1.Service{}, hs.UID); err != nil {
			return err
		}
	}
	return nil
}

// applyNetworkPolicy makes the policy if the spec wants it, and otherwise removes the one that was made before.
func (c *Controller) applyNetworkPolicy(ctx context.Context, hs *v1alpha1.Homeserver, d desired.Homeserver, owner desired.Owner) error {
	policy := &networkingv1.NetworkPolicy{}
	if hs.Spec.NetworkPolicy == v1alpha1.NetworkPolicyIngress {
		return c.apply.Apply(ctx, desired.NetworkPolicy(d, c.namespace, owner), policy, hs.UID)
	}
	return c.apply.Remove(ctx, client.ObjectKeyFromObject(hs), policy, hs.UID)
}

// applyMigration starts the Jobs that were decided, and removes those of no more use: one for a secret that has changed must
// not go on.
func (c *Controller) applyMigration(ctx context.Context, hs *v1alpha1.Homeserver, d desired.Homeserver, owner desired.Owner, s *seen, decided decision) error {
	stale := s.stale
	d.Inputs = s.inputs
	if decided.migration.Start > 0 || decided.contract.Start > 0 {
		if err := c.current(ctx, hs); err != nil {
			return err
		}
	}
	for phase, n := range map[desired.Phase]int{desired.Expand: decided.migration.Start, desired.Contract: decided.contract.Start} {
		if n == 0 {
			continue
		}
		if err := c.apply.Apply(ctx, desired.Migration(d, phase, n, owner), &batchv1.Job{}, hs.UID); err != nil {
			return err
		}
		if name := s.current[phase]; name != "" {
			stale = append(stale, name)
		}
	}
	for _, name := range stale {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: hs.Namespace, Name: name}}
		if err := c.client.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete the Job %s: %w", name, err)
		}
	}
	return nil
}

// current refuses, as a version conflict, to go on from a cache that is behind the API server: a Job is told which database
// is this homeserver's, and a pass that does not know yet what the pass before it recorded would let it claim any other.
func (c *Controller) current(ctx context.Context, hs *v1alpha1.Homeserver) error {
	var live v1alpha1.Homeserver
	if err := c.reader.Get(ctx, client.ObjectKeyFromObject(hs), &live); err != nil {
		return fmt.Errorf("read the Homeserver before a Job for it: %w", err)
	}
	if live.UID != hs.UID || live.ResourceVersion != hs.ResourceVersion {
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("homeservers").GroupResource(), hs.Name, errors.New("the cache is behind"))
	}
	return nil
}
