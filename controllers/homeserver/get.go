package homeserver

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
	"github.com/myelin-hs/myelin/controllers/rollout"
)

// seen is all that a pass looks at.
type seen struct {
	keys []plan.SecretKey
	// What the migration Job and the workers are made for; empty while a secret is missing.
	inputs, podInputs string

	newest  map[desired.Phase]*plan.Attempt
	current map[desired.Phase]string // names of the newest attempts' Jobs
	stale   []string                 // names of Jobs for other inputs, and of earlier attempts
	// rolledOut: all pods have the image; only looked at while the database isn't contracted for it.
	rolledOut bool
	pools     []plan.PoolSeen
	shards    []metav1.ConditionStatus
}

func (c *Controller) look(ctx context.Context, hs *v1alpha1.Homeserver, d desired.Homeserver) (*seen, error) {
	s := &seen{}
	if err := c.lookAtSecrets(ctx, hs, d, s); err != nil {
		return nil, err
	}
	if err := c.lookAtJobs(ctx, hs, d, s); err != nil {
		return nil, err
	}
	if !contracted(hs) {
		images, err := rollout.Look(ctx, c.client, hs)
		if err != nil {
			return nil, err
		}
		s.rolledOut = plan.RolledOut(hs.Spec.Image, images)
	}
	in := client.InNamespace(hs.Namespace)
	var pools v1alpha1.WorkerPoolList
	if err := c.client.List(ctx, &pools, in); err != nil {
		return nil, fmt.Errorf("list WorkerPools: %w", err)
	}
	for _, p := range pools.Items {
		if p.Spec.HomeserverRef.Name == hs.Name && p.DeletionTimestamp.IsZero() {
			s.pools = append(s.pools, plan.PoolSeen{Name: p.Name, Roles: p.Spec.Roles, Desired: replicas(p), Ready: p.Status.ReadyReplicas})
		}
	}
	var shards v1alpha1.EventPersisterShardList
	if err := c.client.List(ctx, &shards, in); err != nil {
		return nil, fmt.Errorf("list EventPersisterShards: %w", err)
	}
	for _, e := range shards.Items {
		if e.Spec.HomeserverRef.Name != hs.Name {
			continue
		}
		if ready := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			s.shards = append(s.shards, ready.Status)
		}
	}
	return s, nil
}

func replicas(p v1alpha1.WorkerPool) int32 {
	if p.Spec.Replicas == nil {
		return 1
	}
	return *p.Spec.Replicas
}

// contracted says whether there is nothing older left in the database for workers of older images.
func contracted(hs *v1alpha1.Homeserver) bool {
	return hs.Status.Database == nil || hs.Status.Database.ContractedImage == hs.Spec.Image
}

// lookAtJobs finds the newest attempts for the present inputs, and the Jobs that are of no more use.
func (c *Controller) lookAtJobs(ctx context.Context, hs *v1alpha1.Homeserver, d desired.Homeserver, s *seen) error {
	var jobs batchv1.JobList
	if err := c.client.List(ctx, &jobs, client.InNamespace(d.Namespace), client.MatchingLabels(desired.MigrationJobs(d.Name))); err != nil {
		return fmt.Errorf("list Jobs: %w", err)
	}
	s.newest, s.current = map[desired.Phase]*plan.Attempt{}, map[desired.Phase]string{}
	for _, phase := range []desired.Phase{desired.Expand, desired.Contract} {
		var newest *batchv1.Job
		for i := range jobs.Items {
			job := &jobs.Items[i]
			if job.Labels[desired.LabelInputs] == phase.Of(s.inputs) && (newest == nil || attempt(job) > attempt(newest)) {
				newest = job
			}
		}
		if newest == nil {
			continue
		}
		s.current[phase] = newest.Name
		if phase == desired.Contract && contracted(hs) {
			continue // what its pod says has been taken in
		}
		a := &plan.Attempt{Number: attempt(newest), Outdated: newest.Annotations[desired.AnnotationPod] != desired.MigrationPod(d, phase)}
		for _, cond := range newest.Status.Conditions {
			if cond.Status == corev1.ConditionTrue && (cond.Type == batchv1.JobComplete || cond.Type == batchv1.JobFailed) {
				a.Finished, a.Succeeded = true, cond.Type == batchv1.JobComplete
				a.FinishedAt = cond.LastTransitionTime.Time
			}
		}
		if err := c.lookAtPod(ctx, newest, a); err != nil {
			return err
		}
		s.newest[phase] = a
	}
	for i := range jobs.Items {
		job := &jobs.Items[i]
		if job.Name != s.current[desired.Expand] && job.Name != s.current[desired.Contract] && job.DeletionTimestamp.IsZero() {
			s.stale = append(s.stale, job.Name)
		}
	}
	return nil
}

func attempt(job *batchv1.Job) int {
	n, err := strconv.Atoi(job.Labels[desired.LabelAttempt])
	if err != nil {
		return 0 // somebody changed the label: older than all others
	}
	return n
}

// lookAtPod reads what the Job's newest pod says.
func (c *Controller) lookAtPod(ctx context.Context, job *batchv1.Job, a *plan.Attempt) error {
	var pods corev1.PodList
	if err := c.reader.List(ctx, &pods, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name}); err != nil {
		return fmt.Errorf("list the pods of Job %s: %w", job.Name, err)
	}
	var newest *corev1.Pod
	for i := range pods.Items {
		if p := &pods.Items[i]; newest == nil || newest.CreationTimestamp.Before(&p.CreationTimestamp) {
			newest = p
		}
	}
	if newest == nil {
		return nil
	}
	for _, status := range newest.Status.ContainerStatuses {
		if t := status.State.Terminated; t != nil {
			r := plan.ParseResult(cmp.Or(t.Message, t.Reason))
			a.Result = &r
		}
		if w := status.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			a.Waiting = w.Reason + ": " + w.Message
		}
	}
	for _, cond := range newest.Status.Conditions {
		if cond.Type == corev1.PodScheduled && cond.Status == corev1.ConditionFalse {
			a.Waiting = cond.Reason + ": " + cond.Message
		}
	}
	return nil
}
