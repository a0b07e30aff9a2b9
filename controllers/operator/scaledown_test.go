package operator_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// persisters makes a pool of n ready pods, whose workers, with the ids 1 to n, own 10 shards each and the last of them 5.
func persisters(t *testing.T, n int32) *space {
	t.Helper()
	status := claimedBy("pod-1", 64)
	for i := range int64(n) {
		status.Workers = append(status.Workers, admin.Worker{ID: i + 1, Pod: fmt.Sprintf("pod-%d", i+1), State: admin.StateLive, Shards: 10})
	}
	status.Workers[n-1].Shards = 5
	s := newSpace(t)
	s.data.status = status
	s.migrated(fmt.Sprintf("{spec: {replicas: %d}}", n))
	for i := range n {
		s.pod("demo-persister", fmt.Sprintf("pod-%d", i+1))
	}
	s.allReady("demo-persister", n)
	return s
}

// pod makes a ready pod of the pool, as ReplicaSet controller and kubelet would.
func (s *space) pod(pool, name string) {
	s.t.Helper()
	template := s.deployment(pool).Spec.Template
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: template.Labels}, Spec: template.Spec}
	s.create(p)
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	require.NoError(s.t, cluster.Status().Update(s.t.Context(), p))
}

// stopPod lets a pod end at once, as kubelet would after its worker has.
func (s *space) stopPod(name string) {
	s.t.Helper()
	now := int64(0)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: name}}
	require.NoError(s.t, cluster.Delete(s.t.Context(), p, &client.DeleteOptions{GracePeriodSeconds: &now}))
}

// wantPod waits until the pod is as wanted.
func (s *space) wantPod(name string, want func(*corev1.Pod) bool) {
	s.t.Helper()
	s.eventually(func() string {
		var p corev1.Pod
		s.get(name, &p)
		if !want(&p) {
			return fmt.Sprintf("%s: labels %v, annotations %v", name, p.Labels, p.Annotations)
		}
		return ""
	})
}

func isMarked(p *corev1.Pod) bool { return p.Labels[desired.LabelLeaving] != "" }
func isCheap(p *corev1.Pod) bool  { return p.Annotations[corev1.PodDeletionCost] == "-2147483648" }

// ended says that the worker has given everything away.
func (s *space) ended(worker int64) {
	s.data.set(func(d *dataPlane) {
		d.status.Workers = slices.Clone(d.status.Workers)
		for i := range d.status.Workers {
			if w := &d.status.Workers[i]; w.ID == worker {
				w.State, w.Ended, w.Shards = admin.StateDead, admin.EndedDrained, 0
			}
		}
	})
}

func (s *space) told() (drains []int64) {
	s.data.set(func(d *dataPlane) { drains = slices.Compact(slices.Clone(d.drains)) })
	return drains
}

func TestScaleDownStopsThePodThatHasDrained(t *testing.T) {
	t.Parallel()
	s := persisters(t, 3)
	s.scale("demo-persister", 2)
	s.wantPod("pod-3", isMarked) // it owns the fewest
	s.eventually(func() string { return differs(1, int32(len(s.told()))) })
	wp := s.poolCondition("demo-persister", v1alpha1.ConditionReconciling, "True", v1alpha1.ReasonRollingOut)
	require.Contains(t, describe(wp.Status.Conditions), "pod-3 gives away what it owns before it is stopped")
	require.Equal(t, int32(3), *s.deployment("demo-persister").Spec.Replicas, "not before it holds nothing")

	s.ended(3)
	s.wantReplicas("demo-persister", 2)
	s.wantPod("pod-3", isCheap)
	require.Equal(t, []int64{3}, s.told())
	s.stopPod("pod-3")
	s.allReady("demo-persister", 2)
	for _, name := range []string{"pod-1", "pod-2"} {
		s.wantPod(name, func(p *corev1.Pod) bool { return !isMarked(p) && !isCheap(p) })
	}
}

// An autoscaler that is told to keep a pool's size keeps what the scale says: pods that are one more or fewer are no reason to
// change it.
func TestTheScaleOfAPoolIsWhatIsWantedWhateverPodsThereAre(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.migrated("{spec: {replicas: 10}}")
	s.allReady("demo-persister", 10)
	sees := func(pods, wanted int32) {
		t.Helper()
		var wp v1alpha1.WorkerPool
		s.eventually(func() string {
			s.ready("demo-persister", pods)
			s.get("demo-persister", &wp)
			if wp.Status.ObservedGeneration != wp.Generation {
				return "not looked at"
			}
			return differs(pods, wp.Status.Replicas)
		})
		var scale autoscalingv1.Scale
		require.NoError(t, cluster.SubResource("scale").Get(t.Context(), &wp, &scale))
		require.Equal(t, wanted, scale.Spec.Replicas)
		require.Equal(t, wanted, scale.Status.Replicas)
		require.NotEmpty(t, scale.Status.Selector)
	}
	sees(11, 10) // an image is rolled out, or a worker leaves
	sees(9, 10)  // one is not made yet
	s.scale("demo-persister", 12)
	sees(10, 12)
}

// The pod whose worker has left cannot take shards again; another takes its place.
func TestScaleDownThatIsTakenBackLetsThePodBeReplaced(t *testing.T) {
	t.Parallel()
	s := persisters(t, 2)
	s.scale("demo-persister", 1)
	s.eventually(func() string { return differs(1, int32(len(s.told()))) })
	s.scale("demo-persister", 2)
	s.poolCondition("demo-persister", v1alpha1.ConditionReady, "True", v1alpha1.ReasonAllReplicasReady)
	s.wantPod("pod-2", isMarked)
	s.ended(2)
	s.eventually(func() string {
		var p corev1.Pod
		err := cluster.Get(t.Context(), types.NamespacedName{Namespace: s.name, Name: "pod-2"}, &p)
		if err == nil && p.DeletionTimestamp.IsZero() {
			return "pod-2 is still there"
		}
		require.True(t, err == nil || apierrors.IsNotFound(err), "%v", err)
		return ""
	})
	require.Equal(t, int32(2), *s.deployment("demo-persister").Spec.Replicas)
	s.wantPod("pod-1", func(p *corev1.Pod) bool { return !isMarked(p) })
}

func TestScaleDownThatIsTakenBackBeforeTheDrainChangesNothing(t *testing.T) {
	t.Parallel()
	s := persisters(t, 2)
	s.data.set(func(d *dataPlane) { d.refuse = errors.New("the last live event persister") })
	s.scale("demo-persister", 1)
	s.wantPod("pod-2", isMarked)
	s.scale("demo-persister", 2)
	s.wantPod("pod-2", func(p *corev1.Pod) bool { return !isMarked(p) })
	s.poolCondition("demo-persister", v1alpha1.ConditionReady, "True", v1alpha1.ReasonAllReplicasReady)
	for _, name := range []string{"pod-1", "pod-2"} {
		s.wantPod(name, func(p *corev1.Pod) bool { return !isMarked(p) && p.DeletionTimestamp.IsZero() })
	}
}

// A homeserver that answers nobody can still be scaled down; its workers hand over on SIGTERM as well as they can.
func TestScaleDownDoesNotWaitForWorkersThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	s := persisters(t, 3)
	s.data.set(func(d *dataPlane) { d.err = errors.New("no route to host") })
	s.scale("demo-persister", 1)
	s.wantReplicas("demo-persister", 1)
	require.Empty(t, s.told())
}

// A rollout stops pods by itself, and its workers hand over on SIGTERM: a drain besides would only be in its way.
func TestScaleDownInARolloutDrainsNobody(t *testing.T) {
	t.Parallel()
	s := persisters(t, 3)
	d := s.deployment("demo-persister")
	before := d.DeepCopy()
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 4, ReadyReplicas: 3, UpdatedReplicas: 1, AvailableReplicas: 3}
	require.NoError(t, cluster.Status().Patch(t.Context(), d, client.MergeFrom(before)))
	s.poolCondition("demo-persister", v1alpha1.ConditionReady, "True", v1alpha1.ReasonRollingOut)
	s.scale("demo-persister", 2)
	s.wantReplicas("demo-persister", 2)
	require.Empty(t, s.told())
}
