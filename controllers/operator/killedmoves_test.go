package operator_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// anything counts but Events, which may be lost.
func anything(resource string) bool { return resource != "events" }

// small is a homeserver of four shards, and one pool with all roles; nothing has been made for it yet.
func small(t *testing.T) *space {
	s := newSpace(t)
	s.data.status = claimedBy("pod-7", 4)
	s.data.status.Redis = admin.RedisReachable
	s.data.status.Workers = []admin.Worker{
		{ID: 7, Pod: "pod-7", State: admin.StateLive, Shards: 4}, {ID: 8, Pod: "pod-8", State: admin.StateLive},
	}
	s.create(s.secret("db", "postgres://one"), s.secret("cache", "redis://one"), object(t, homeserverYAML, "{spec: {shards: 4}}"),
		object(t, poolYAML, "{metadata: {name: demo-all}, spec: {roles: [gateway, client, persister, sync]}}"))
	return s
}

// settled says whether the homeserver is ready, and its status and the shards' say what the workers do.
func (s *space) settled() bool {
	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	c := meta.FindStatusCondition(hs.Status.Conditions, v1alpha1.ConditionReady)
	claimed, shown := int32(0), s.shards()
	for _, e := range shown {
		var told admin.Shard
		s.data.set(func(d *dataPlane) { told = d.status.Shards[e.Spec.Shard] })
		if e.Status.OwnerID != told.Owner || e.Status.Owner != told.OwnerPod || e.Status.Epoch != told.Epoch ||
			e.Status.Claimed != told.Claimed || e.Status.Target != told.Target {
			return false
		}
		if told.Claimed {
			claimed++
		}
	}
	return c != nil && len(shown) == 4 && hs.Status.Shards != nil && hs.Status.Shards.Claimed == claimed && c.Status == statusOf(claimed == 4)
}

func statusOf(yes bool) metav1.ConditionStatus {
	if yes {
		return "True"
	}
	return "False"
}

// finishJobs is what Job controller and kubelets do while a homeserver is installed. It notes the Jobs.
func (s *space) finishJobs(made map[string]bool) {
	s.t.Helper()
	var all batchv1.JobList
	require.NoError(s.t, cluster.List(s.t.Context(), &all, client.InNamespace(s.name)))
	for i := range all.Items {
		if j := &all.Items[i]; len(j.Status.Conditions) == 0 && j.DeletionTimestamp.IsZero() {
			made[j.Name] = true
			s.finish(j, result("Migrated", "", "db-1"))
		}
	}
}

// A homeserver that is installed by operators that are killed after each of their writes has one signing key, one migration, and
// all that it needs.
func TestAnInstallationByOperatorsThatAreKilledAfterEachWrite(t *testing.T) {
	t.Parallel()
	s := small(t)
	made, keys := map[string]bool{}, map[types.UID]bool{}
	lives := s.byDying(anything, s.settled, func() {
		s.finishJobs(made)
		var key corev1.Secret
		err := cluster.Get(t.Context(), types.NamespacedName{Namespace: s.name, Name: "demo-signing-key"}, &key)
		require.True(t, err == nil || apierrors.IsNotFound(err), "%v", err)
		if err == nil {
			keys[key.UID] = true
		}
		var d appsv1.Deployment
		if cluster.Get(t.Context(), types.NamespacedName{Namespace: s.name, Name: "demo-all"}, &d) == nil && d.Status.ObservedGeneration != d.Generation {
			s.ready("demo-all", 1)
		}
	})
	require.Greater(t, lives, 12, "two Secrets, three Services, a Job, a Deployment, a budget and four shards, and what the statuses say")
	require.Len(t, made, 1)
	require.Len(t, keys, 1)
	s.start()
	s.condition(v1alpha1.ConditionReady, "True", v1alpha1.ReasonReady)
	s.allReady("demo-all", 1)
}

// What the workers do about their shards while operators are killed after each write is shown in the end as it is, with no epoch
// that goes back on the way, and told at most once.
func TestMovesSeenByOperatorsThatAreKilledAfterEachWrite(t *testing.T) {
	t.Parallel()
	s := small(t)
	s.start()
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.ready("demo-all", 1)
	s.condition(v1alpha1.ConditionReady, "True", v1alpha1.ReasonReady)
	s.eventually(func() string {
		if !s.settled() {
			return "the shards are not shown yet"
		}
		return ""
	})
	s.stop()
	epochs := map[string]int64{}
	watch := func() {
		for name, e := range s.shards() {
			require.GreaterOrEqual(t, e.Status.Epoch, epochs[name], name)
			epochs[name] = e.Status.Epoch
		}
	}
	all := func(shard admin.Shard) (shards []admin.Shard) {
		for i := range 4 {
			shard.ID = i
			shards = append(shards, shard)
		}
		return shards
	}
	lives := 0
	for _, step := range []struct {
		what         string
		seven, eight string
		shards       []admin.Shard
	}{
		{"a handoff begins", admin.StateLeaving, admin.StateLive, all(admin.Shard{Owner: 7, OwnerPod: "pod-7", Epoch: 3, Claimed: true, Target: 8})},
		{"and ends", admin.StateDead, admin.StateLive, all(admin.Shard{Owner: 8, OwnerPod: "pod-8", Epoch: 4, Claimed: true})},
		{"the new owner dies", admin.StateDead, admin.StateDead, all(admin.Shard{Epoch: 5})},
		{"its successor takes over", admin.StateDead, admin.StateDead, all(admin.Shard{Owner: 9, OwnerPod: "pod-8", Epoch: 6})},
		{"and serves", admin.StateDead, admin.StateDead, all(admin.Shard{Owner: 9, OwnerPod: "pod-8", Epoch: 6, Claimed: true})},
	} {
		s.data.set(func(d *dataPlane) {
			d.status.Shards = step.shards
			d.status.Workers = []admin.Worker{
				{ID: 7, Pod: "pod-7", State: step.seven}, {ID: 8, Pod: "pod-8", State: step.eight}, {ID: 9, Pod: "pod-8", State: admin.StateLive},
			}
		})
		before := lives
		lives += s.byDying(anything, s.settled, watch)
		require.GreaterOrEqual(t, lives-before, 4, "%s: each of four shards has changed", step.what)
	}
	s.start()
	s.condition(v1alpha1.ConditionReady, "True", v1alpha1.ReasonReady)
	s.stop()
	watch()
	var list eventsv1.EventList
	require.NoError(t, cluster.List(t.Context(), &list, client.InNamespace(s.name)))
	told := map[string]bool{}
	for _, e := range list.Items {
		if e.Regarding.Kind == "EventPersisterShard" {
			key := e.Reason + " " + e.Regarding.Name + " " + e.Note
			require.False(t, told[key], key)
			told[key] = true
		}
	}
}
