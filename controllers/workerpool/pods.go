package workerpool

import (
	"context"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/dataplane"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// cheapest is the cost of the pods that Kubernetes is to stop first.
const cheapest = "-2147483648"

// size decides the number of replicas. Pods and workers are looked at only while there is something to do with them: more
// pods than the pool asks for, or pods that are marked.
func (c *Controller) size(ctx context.Context, wp *v1alpha1.WorkerPool, s *seen) (plan.Scaling, error) {
	d := s.forReady()
	in := plan.PoolSize{
		Wanted: replicas(wp), Replicas: 1, Now: c.now(),
		Rolling: d.Observed && d.Replicas != d.Updated,
	}
	if n := s.deployment.Spec.Replicas; n != nil {
		in.Replicas = *n
	}
	in.Settled = d.Observed && d.Replicas == in.Replicas
	var marked corev1.PodList
	err := c.client.List(ctx, &marked, client.InNamespace(wp.Namespace), client.MatchingLabels(desired.PoolPods(wp.Spec.HomeserverRef.Name, wp.Name)))
	if err != nil {
		return plan.Scaling{}, fmt.Errorf("list the pods that leave: %w", err)
	}
	if in.Wanted >= in.Replicas && len(marked.Items) == 0 {
		c.answered(client.ObjectKeyFromObject(wp), true)
		return plan.Scale(in), nil
	}
	if err := c.lookAtPods(ctx, wp, s, &in); err != nil {
		return plan.Scaling{}, err
	}
	return plan.Scale(in), nil
}

// lookAtPods reads the pool's pods, and asks the workers about those in them.
func (c *Controller) lookAtPods(ctx context.Context, wp *v1alpha1.WorkerPool, s *seen, in *plan.PoolSize) error {
	var list corev1.PodList
	err := c.reader.List(ctx, &list, client.InNamespace(wp.Namespace), client.MatchingLabels(desired.PoolPods(wp.Spec.HomeserverRef.Name, wp.Name)))
	if err != nil {
		return fmt.Errorf("list the pods: %w", err)
	}
	s.pods = map[string]*corev1.Pod{}
	for i := range list.Items {
		if p := &list.Items[i]; p.DeletionTimestamp.IsZero() && p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded {
			s.pods[p.Name] = p
		}
	}
	told, err := c.status(ctx, s.homeserver)
	in.Unanswered = c.answered(client.ObjectKeyFromObject(wp), err == nil)
	if err != nil {
		log.FromContext(ctx).Info("the workers do not answer", "error", err.Error())
	}
	s.workers = newest(told.Workers)
	for name, p := range s.pods {
		seen := plan.PodSeen{
			Name: name, Ready: ready(p), Created: p.CreationTimestamp.Time, Leaving: leavingSince(p),
			Cheap: p.Annotations[corev1.PodDeletionCost] == cheapest,
		}
		switch w := s.workers[name]; w.State {
		case admin.StateLive:
			seen.Worker, seen.Shards = plan.HoldsAll, w.Shards
		case admin.StateLeaving:
			seen.Worker, seen.Shards = plan.HoldsSome, w.Shards
		}
		in.Pods = append(in.Pods, seen)
	}
	return nil
}

func (c *Controller) status(ctx context.Context, hs *v1alpha1.Homeserver) (admin.Status, error) {
	credential, err := dataplane.Credential(ctx, c.reader, hs)
	if err != nil {
		return admin.Status{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, dataplane.Timeout)
	defer cancel()
	return c.ask(ctx, client.ObjectKeyFromObject(hs), credential)
}

// newest are the newest workers, by their pods. An id is never used again.
func newest(workers []admin.Worker) map[string]admin.Worker {
	all := map[string]admin.Worker{}
	for _, w := range workers {
		if w.ID > all[w.Pod].ID {
			all[w.Pod] = w
		}
	}
	return all
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// leavingSince is the time on the pod's mark. One that makes no sense is a mark of long ago.
func leavingSince(p *corev1.Pod) time.Time {
	text, marked := p.Labels[desired.LabelLeaving]
	if !marked {
		return time.Time{}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Unix(0, 0)
	}
	return time.Unix(seconds, 0)
}

// walk takes the steps in their order. What cannot be done is tried again in the next pass, which decides anew.
func (c *Controller) walk(ctx context.Context, wp *v1alpha1.WorkerPool, s *seen, steps []plan.PodStep) error {
	for _, step := range steps {
		p := s.pods[step.Pod]
		log.FromContext(ctx).Info("scale down", "pod", step.Pod, "step", step.Action, "why", step.Why)
		var err error
		switch step.Action {
		case plan.PodMark:
			err = c.patch(ctx, p, func() {
				metav1.SetMetaDataLabel(&p.ObjectMeta, desired.LabelLeaving, strconv.FormatInt(c.now().Unix(), 10))
			})
		case plan.PodUnmark:
			err = c.patch(ctx, p, func() {
				delete(p.Labels, desired.LabelLeaving)
				delete(p.Annotations, corev1.PodDeletionCost)
			})
		case plan.PodCheapen:
			err = c.patch(ctx, p, func() { metav1.SetMetaDataAnnotation(&p.ObjectMeta, corev1.PodDeletionCost, cheapest) })
		case plan.PodDelete:
			err = c.client.Delete(ctx, p, client.Preconditions{UID: &p.UID})
		case plan.PodDrain:
			c.tell(ctx, s, step.Pod)
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("%s the pod %s: %w", step.Action, step.Pod, err)
		}
	}
	return nil
}

func (c *Controller) patch(ctx context.Context, p *corev1.Pod, change func()) error {
	before := p.DeepCopy()
	change()
	return c.client.Patch(ctx, p, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), c.apply.Owner())
}

// tell has the worker in the pod drain. A refusal, as by the last persister, is one for now: it is told again.
func (c *Controller) tell(ctx context.Context, s *seen, pod string) {
	credential, err := dataplane.Credential(ctx, c.reader, s.homeserver)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, dataplane.Timeout)
		defer cancel()
		err = c.drain(ctx, client.ObjectKeyFromObject(s.homeserver), credential, s.workers[pod].ID)
	}
	if err != nil {
		log.FromContext(ctx).Info("the worker cannot be told to drain", "pod", pod, "error", err.Error())
	}
}

// answered counts the questions about a pool that were not answered in a row.
func (c *Controller) answered(pool types.NamespacedName, yes bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if yes {
		delete(c.unanswered, pool)
	} else {
		c.unanswered[pool]++
	}
	return c.unanswered[pool]
}
