package operator_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// pause sets or, with "-", removes the annotation.
func (s *space) pause(o client.Object, name, value string) {
	s.t.Helper()
	quoted := `"` + value + `"`
	if value == "-" {
		quoted = "null"
	}
	o.SetNamespace(s.name)
	o.SetName(name)
	patch := []byte(`{"metadata":{"annotations":{"` + v1alpha1.AnnotationPaused + `":` + quoted + `}}}`)
	require.NoError(s.t, cluster.Patch(s.t.Context(), o, client.RawPatch(types.MergePatchType, patch)))
}

func (s *space) scaleByHand(name string, n int32) {
	s.t.Helper()
	d := s.deployment(name)
	before := d.DeepCopy()
	d.Spec.Replicas = &n
	require.NoError(s.t, cluster.Patch(s.t.Context(), d, client.MergeFrom(before)))
}

// While a Homeserver is paused nothing is made or changed for it or its pools, and the status goes on being written.
func TestPausedHomeserverIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := serving(t, claimedBy("demo-persister-0", 64))
	s.wantShards(64, func(_ v1alpha1.EventPersisterShard, c *metav1.Condition) bool { return c != nil && c.Status == "True" })
	s.condition(v1alpha1.ConditionShardsClaimed, "True", v1alpha1.ReasonShardsClaimed)
	var hs v1alpha1.Homeserver
	s.pause(&hs, "demo", "while we look")
	s.condition(v1alpha1.ConditionPaused, "True", v1alpha1.ReasonPaused)
	s.poolCondition("demo-persister", v1alpha1.ConditionPaused, "True", v1alpha1.ReasonPaused)

	s.setSecret("db", "postgres://two")
	c := s.condition(v1alpha1.ConditionDatabaseReady, "Unknown", v1alpha1.ReasonPaused)
	require.Contains(t, c.Message, v1alpha1.AnnotationPaused)
	s.scaleByHand("demo-persister", 5)
	for _, o := range []client.Object{
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo-federation"}},
		&v1alpha1.EventPersisterShard{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo-63"}},
	} {
		require.NoError(t, cluster.Delete(t.Context(), o))
	}
	s.ready("demo-persister", 3) // what is seen is still told
	s.eventually(func() string {
		var wp v1alpha1.WorkerPool
		s.get("demo-persister", &wp)
		return differs(3, wp.Status.ReadyReplicas)
	})
	s.eventually(func() string {
		s.get("demo", &hs)
		return differs(63, hs.Status.Shards.Claimed)
	})
	require.Nil(t, meta.FindStatusCondition(hs.Status.Conditions, v1alpha1.ConditionReconciling))
	require.Equal(t, int32(5), *s.deployment("demo-persister").Spec.Replicas)
	var list batchv1.JobList
	require.NoError(t, cluster.List(t.Context(), &list, client.InNamespace(s.name)))
	require.Len(t, list.Items, 1, "no Job for the new secret")
	require.Len(t, s.shards(), 63)

	s.pause(&hs, "demo", "-")
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.wantReplicas("demo-persister", 1)
	s.eventually(func() string {
		s.get("demo", &hs)
		return differs(64, hs.Status.Shards.Claimed)
	})
	require.Nil(t, meta.FindStatusCondition(hs.Status.Conditions, v1alpha1.ConditionPaused))
	var service corev1.Service
	s.get("demo-federation", &service)
}

func TestPausedPoolIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := serving(t, claimedBy("demo-persister-0", 64))
	s.deployment("demo-persister")
	var wp v1alpha1.WorkerPool
	s.pause(&wp, "demo-persister", "true")
	s.poolCondition("demo-persister", v1alpha1.ConditionPaused, "True", v1alpha1.ReasonPaused)
	s.scaleByHand("demo-persister", 5)
	s.ready("demo-persister", 5)
	s.eventually(func() string {
		s.get("demo-persister", &wp)
		return differs(5, wp.Status.ReadyReplicas)
	})
	require.Equal(t, int32(5), *s.deployment("demo-persister").Spec.Replicas)
	s.pause(&wp, "demo-persister", "false")
	s.wantReplicas("demo-persister", 1)
}

// made are the objects that the operator has made in the namespace, and the resources themselves.
func (s *space) made() []client.Object {
	s.t.Helper()
	var all []client.Object
	for _, list := range []client.ObjectList{
		&v1alpha1.HomeserverList{}, &v1alpha1.WorkerPoolList{}, &v1alpha1.EventPersisterShardList{}, &batchv1.JobList{},
		&appsv1.DeploymentList{}, &corev1.ServiceList{}, &corev1.SecretList{}, &policyv1.PodDisruptionBudgetList{},
		&networkingv1.NetworkPolicyList{},
	} {
		require.NoError(s.t, cluster.List(s.t.Context(), list, client.InNamespace(s.name)))
		items, err := meta.ExtractList(list)
		require.NoError(s.t, err)
		for _, item := range items {
			all = append(all, item.(client.Object))
		}
	}
	return all
}

// Deletion waits for nothing, whatever has become of the database and the operator; and what nobody could make again, the
// signing key, is left.
func TestDeletionDoesNotWaitForADatabaseThatIsGone(t *testing.T) {
	t.Parallel()
	s := serving(t, claimedBy("demo-persister-0", 64))
	s.wantShards(64, func(e v1alpha1.EventPersisterShard, _ *metav1.Condition) bool { return e.Status.Owner != "" })
	s.setSecret("db", "postgres://gone")
	s.finish(s.running(), result("DatabaseUnreachable", "no route to host.", ""))
	s.condition(v1alpha1.ConditionDatabaseReady, "False", v1alpha1.ReasonDatabaseUnreachable)
	for _, o := range s.made() {
		require.Empty(t, o.GetFinalizers(), "%T %s", o, o.GetName())
	}
	s.stop()
	var key corev1.Secret
	s.get("demo-signing-key", &key)
	require.Empty(t, key.OwnerReferences, "it outlives the Homeserver")
	for _, o := range s.resources() {
		require.NoError(t, cluster.Delete(t.Context(), o))
		err := cluster.Get(t.Context(), client.ObjectKeyFromObject(o), o)
		require.True(t, apierrors.IsNotFound(err), "%v", err)
	}
}

// resources are what somebody has applied.
func (s *space) resources() []client.Object {
	return []client.Object{
		&v1alpha1.Homeserver{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo"}},
		&v1alpha1.WorkerPool{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo-persister"}},
	}
}

// What outlives a Homeserver and its pools, by kubectl delete --cascade=orphan, belongs to those applied after them, and pods
// that run go on running.
func TestOrphansAreAdopted(t *testing.T) {
	t.Parallel()
	s := serving(t, claimedBy("demo-persister-0", 64))
	s.wantShards(64, func(e v1alpha1.EventPersisterShard, _ *metav1.Condition) bool { return e.Status.Owner != "" })
	before := s.deployment("demo-persister")
	s.stop()
	for _, o := range s.resources() {
		require.NoError(t, cluster.Delete(t.Context(), o, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	}
	orphans := map[types.UID]bool{}
	for _, o := range s.made() { // as the garbage collector does, which is not here
		if len(o.GetOwnerReferences()) > 0 {
			orphans[o.GetUID()] = true
			o.SetOwnerReferences(nil)
			require.NoError(t, cluster.Update(t.Context(), o))
		}
	}
	require.Greater(t, len(orphans), 64+3)

	s.create(object(t, homeserverYAML, "{}"), object(t, poolYAML, "{}"))
	s.start()
	var hs v1alpha1.Homeserver
	var wp v1alpha1.WorkerPool
	s.get("demo", &hs)
	s.get("demo-persister", &wp)
	s.eventually(func() string {
		for _, o := range s.made() {
			_, secret := o.(*corev1.Secret) // which the operator may not change
			_, job := o.(*batchv1.Job)      // which is done
			if orphans[o.GetUID()] && !secret && !job && !metav1.IsControlledBy(o, &hs) && !metav1.IsControlledBy(o, &wp) {
				return "not adopted: " + o.GetName()
			}
			delete(orphans, o.GetUID())
		}
		return ""
	})
	require.Empty(t, orphans, "made again in place of being adopted")
	after := s.deployment("demo-persister")
	require.Equal(t, before.UID, after.UID)
	require.Equal(t, before.Spec.Template, after.Spec.Template)
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
}
