package operator_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

func (s *space) image(name string) string {
	return s.deployment(name).Spec.Template.Spec.Containers[0].Image
}

func (s *space) wantImage(name, image string) {
	s.t.Helper()
	s.eventually(func() string {
		if have := s.image(name); have != image {
			return name + " has the image " + have
		}
		return ""
	})
}

// rolling pretends that a rollout of one pod of two is under way.
func (s *space) rolling(name string) {
	s.t.Helper()
	d := s.deployment(name)
	before := d.DeepCopy()
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 2, ReadyReplicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}
	require.NoError(s.t, cluster.Status().Patch(s.t.Context(), d, client.MergeFrom(before)))
}

// First the database, then one pool after the other, persisters first; one that does not get on stops the rest, which can be
// scaled all the same.
func TestAnImageIsRolledOutPoolByPool(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.migrated(`{metadata: {name: a-gateway}, spec: {roles: [gateway]}}`, "{}")
	s.ready("a-gateway", 1)
	s.ready("demo-persister", 1)
	old := s.image("demo-persister")
	require.Equal(t, old, s.image("a-gateway"))

	const next = "registry.example/myelin:next"
	s.setImage(next)
	job := s.running()
	require.Equal(t, next, job.Spec.Template.Spec.Containers[0].Image)
	require.Equal(t, old, s.image("demo-persister"), "the database comes first")
	s.finish(job, result("Migrated", "", "db-1"))
	s.wantImage("demo-persister", next)
	s.rolling("demo-persister")
	wp := s.poolCondition("a-gateway", v1alpha1.ConditionReconciling, "True", v1alpha1.ReasonWaitingForPool)
	require.Contains(t, describe(wp.Status.Conditions), `"demo-persister" first`)
	s.scale("a-gateway", 3)
	s.wantReplicas("a-gateway", 3)
	require.Equal(t, old, s.image("a-gateway"))

	s.ready("demo-persister", 1)
	s.wantImage("a-gateway", next)
	s.allReady("a-gateway", 3)
}

// A jump over versions, up or down, changes nothing but what the status says; another image heals it.
func TestAJumpOverVersionsRollsNothing(t *testing.T) {
	t.Parallel()
	for reason, advice := range map[string]string{
		v1alpha1.ReasonUpgradeRefused: "a version in between", v1alpha1.ReasonDowngradeRefused: "the version that upgraded the database",
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			s.demo()
			s.create(object(t, poolYAML, "{}"))
			s.start()
			s.finish(s.running(), result("Migrated", "", "db-1"))
			s.ready("demo-persister", 1)
			before := s.deployment("demo-persister")

			s.setImage("registry.example/myelin:far")
			s.finish(s.running(), result(reason, "The database has schema version 2 and this build 9", ""))
			c := s.condition(v1alpha1.ConditionStalled, "True", reason)
			require.Contains(t, c.Message, "The database has schema version 2 and this build 9. ")
			require.Contains(t, c.Message, advice)
			s.eventually(func() string {
				var wp v1alpha1.WorkerPool
				s.get("demo-persister", &wp)
				if c := meta.FindStatusCondition(wp.Status.Conditions, v1alpha1.ConditionReconciling); c != nil && strings.Contains(c.Message, reason) {
					return ""
				}
				return "the pool does not say " + reason + ": " + describe(wp.Status.Conditions)
			})
			require.Equal(t, before.Spec, s.deployment("demo-persister").Spec)

			s.setImage("registry.example/myelin:next")
			var job *batchv1.Job
			s.eventually(func() string { // a retry for the other image may have been under way
				job = s.running()
				if have := job.Spec.Template.Spec.Containers[0].Image; have != "registry.example/myelin:next" {
					return "the Job has the image " + have
				}
				return ""
			})
			s.finish(job, result("Migrated", "", "db-1"))
			s.wantImage("demo-persister", "registry.example/myelin:next")
		})
	}
}

func (s *space) setImage(image string) {
	s.t.Helper()
	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	before := hs.DeepCopy()
	hs.Spec.Image = image
	require.NoError(s.t, cluster.Patch(s.t.Context(), &hs, client.MergeFrom(before)))
}
