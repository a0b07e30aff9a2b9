package operator_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// deployment is the pool's, as soon as there is one.
func (s *space) deployment(name string) *appsv1.Deployment {
	s.t.Helper()
	var d appsv1.Deployment
	s.eventually(func() string {
		if err := cluster.Get(s.t.Context(), types.NamespacedName{Namespace: s.name, Name: name}, &d); err != nil {
			return err.Error()
		}
		return ""
	})
	return &d
}

// ready pretends that n pods of the pool are.
func (s *space) ready(name string, n int32) {
	s.t.Helper()
	d := s.deployment(name)
	before := d.DeepCopy()
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, ReadyReplicas: n, UpdatedReplicas: n, AvailableReplicas: n}
	require.NoError(s.t, cluster.Status().Patch(s.t.Context(), d, client.MergeFrom(before)))
}

// allReady has the Deployment's controller get everything done, until the pool is ready. Each change of the Deployment, of
// an annotation too, is one more for it to observe.
func (s *space) allReady(name string, n int32) v1alpha1.WorkerPool {
	s.t.Helper()
	var wp v1alpha1.WorkerPool
	s.eventually(func() string {
		s.ready(name, n)
		s.get(name, &wp)
		if c := meta.FindStatusCondition(wp.Status.Conditions, v1alpha1.ConditionReady); c != nil && c.Reason == v1alpha1.ReasonAllReplicasReady &&
			c.ObservedGeneration == wp.Generation {
			return ""
		}
		return "not ready: " + describe(wp.Status.Conditions)
	})
	return wp
}

func (s *space) poolCondition(name, kind string, status metav1.ConditionStatus, reason string) v1alpha1.WorkerPool {
	s.t.Helper()
	var wp v1alpha1.WorkerPool
	s.eventually(func() string {
		s.get(name, &wp)
		c := meta.FindStatusCondition(wp.Status.Conditions, kind)
		if c != nil && c.Status == status && c.Reason == reason && c.ObservedGeneration == wp.Generation {
			return ""
		}
		return "wanted " + kind + "(" + reason + "), have " + describe(wp.Status.Conditions)
	})
	return wp
}

func (s *space) scale(name string, n int32) {
	s.t.Helper()
	wp := &v1alpha1.WorkerPool{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: name}}
	require.NoError(s.t, cluster.SubResource("scale").Update(s.t.Context(), wp,
		client.WithSubResourceBody(&autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: n}})))
}

func (s *space) wantReplicas(name string, n int32) *appsv1.Deployment {
	s.t.Helper()
	var d *appsv1.Deployment
	s.eventually(func() string {
		if d = s.deployment(name); *d.Spec.Replicas != n {
			return "the Deployment has other replicas"
		}
		return ""
	})
	return d
}

func TestPoolWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(object(t, poolYAML, "{}"))
	s.start()
	s.poolCondition("demo-persister", v1alpha1.ConditionReady, "False", v1alpha1.ReasonHomeserverMissing)
	s.demo()
	job := s.running()
	s.poolCondition("demo-persister", v1alpha1.ConditionReady, "False", v1alpha1.ReasonWaitingForDatabase)
	var d appsv1.Deployment
	err := cluster.Get(t.Context(), types.NamespacedName{Namespace: s.name, Name: "demo-persister"}, &d)
	require.True(t, apierrors.IsNotFound(err), "%v", err)

	s.finish(job, result("Migrated", "", "db-1"))
	require.Contains(t, s.deployment("demo-persister").Spec.Template.Spec.Containers[0].Env,
		corev1.EnvVar{Name: "MYELIN_DATABASE_ID", Value: "db-1"})
	// The namespace enforces Pod Security "restricted": the Deployment's pods are admitted.
	s.create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "worker"}, Spec: s.deployment("demo-persister").Spec.Template.Spec})
	wp := s.allReady("demo-persister", 1)
	require.Equal(t, int32(1), wp.Status.ReadyReplicas)
	require.Equal(t, "app.kubernetes.io/name=myelin,myelin.dev/homeserver=demo,myelin.dev/pool=demo-persister", wp.Status.Selector)
}

func TestScalingAPoolLeavesOtherPodsAlone(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.migrated("{}", `{metadata: {name: demo-sync}, spec: {roles: [sync]}}`)
	persister, sync := s.deployment("demo-persister"), s.deployment("demo-sync")

	s.scale("demo-persister", 4)
	scaled := s.wantReplicas("demo-persister", 4)
	require.Equal(t, persister.Spec.Template, scaled.Spec.Template)
	s.scale("demo-sync", 0)
	s.wantReplicas("demo-sync", 0) // the queue was worked off in between
	require.Equal(t, sync.Generation+1, s.deployment("demo-sync").Generation)
	require.Equal(t, persister.Generation+1, s.deployment("demo-persister").Generation)
}

func TestPoolScalesWhileTheDatabaseIsNotVerified(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.migrated("{}")
	before := s.deployment("demo-persister")
	s.setSecret("db", "postgres://nowhere")
	s.finish(s.running(), result("DatabaseUnreachable", "no route to host.", ""))
	s.condition(v1alpha1.ConditionDatabaseReady, "False", v1alpha1.ReasonDatabaseUnreachable)
	s.scale("demo-persister", 3)
	require.Equal(t, before.Spec.Template, s.wantReplicas("demo-persister", 3).Spec.Template)

	// A pool that is new waits.
	s.create(object(t, poolYAML, `{metadata: {name: demo-sync}, spec: {roles: [sync]}}`))
	s.poolCondition("demo-sync", v1alpha1.ConditionReady, "False", v1alpha1.ReasonWaitingForDatabase)
}

// Workers take up another login by themselves: they are rolled only for what they read when they start.
func TestPodsAreRolledForWhatTheyReadWhenTheyStart(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.migrated("{}")
	before := s.deployment("demo-persister")
	s.setSecret("db", "postgres://one?password=new")
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
	s.setSecret("cache", "redis://elsewhere")
	s.eventually(func() string {
		if s.deployment("demo-persister").Spec.Template.Annotations["myelin.dev/inputs"] == before.Spec.Template.Annotations["myelin.dev/inputs"] {
			return "the template is as before"
		}
		return ""
	})
	require.Equal(t, before.Generation+1, s.deployment("demo-persister").Generation, "nothing was changed for the database's secret")
}

func TestForeignDeploymentIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	yes := true
	labels := map[string]string{"app": "other"}
	foreign := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "demo-persister", OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "example.org/v1", Kind: "Other", Name: "other", UID: "1", Controller: &yes,
		}}},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
			},
		},
	}
	s.create(foreign)
	s.migrated("{}")
	s.poolCondition("demo-persister", v1alpha1.ConditionStalled, "True", v1alpha1.ReasonNameTaken)
	require.Equal(t, foreign.ResourceVersion, s.deployment("demo-persister").ResourceVersion)
	require.NoError(t, cluster.Delete(t.Context(), foreign)) // nobody tells the operator
	s.allReady("demo-persister", 1)
}

// A Deployment that nobody controls, and that the operator did not make, is somebody's all the same.
func TestDeploymentMadeByHandIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.demo()
	s.create(object(t, poolYAML, "{}"))
	s.start()
	job := s.running()
	pods := map[string]string{"app.kubernetes.io/name": "myelin", "myelin.dev/homeserver": "demo", "myelin.dev/pool": "demo-persister"}
	byHand := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "demo-persister"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: pods},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: pods},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
			},
		},
	}
	s.create(byHand)
	s.finish(job, result("Migrated", "", "db-1"))
	s.poolCondition("demo-persister", v1alpha1.ConditionStalled, "True", v1alpha1.ReasonNameTaken)
	require.Equal(t, byHand.ResourceVersion, s.deployment("demo-persister").ResourceVersion)
}

// What only the API server finds wrong with the Deployment is said in the status, and heals with the next change.
func TestRefusedDeploymentIsToldOf(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.migrated(`{spec: {nodeSelector: {"a b": c}}}`)
	wp := s.poolCondition("demo-persister", v1alpha1.ConditionStalled, "True", v1alpha1.ReasonDeploymentRefused)
	require.Contains(t, meta.FindStatusCondition(wp.Status.Conditions, v1alpha1.ConditionReady).Message, "nodeSelector")
	before := wp.DeepCopy()
	wp.Spec.NodeSelector = nil
	require.NoError(t, cluster.Patch(t.Context(), &wp, client.MergeFrom(before)))
	s.allReady("demo-persister", 1)
}

func TestChangesBySomebodyElseAreUndone(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.migrated("{}")
	s.scaleByHand("demo-persister", 5)
	s.wantReplicas("demo-persister", 1)

	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo-persister"}}
	require.NoError(t, cluster.Delete(t.Context(), budget))
	s.eventually(func() string {
		if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(budget), budget); err != nil {
			return err.Error()
		}
		return ""
	})
}
