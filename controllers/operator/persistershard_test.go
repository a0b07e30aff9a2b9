package operator_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/lag"
)

// claimedBy is what workers tell when one pod owns all shards.
func claimedBy(pod string, shards int) admin.Status {
	var status admin.Status
	for i := range shards {
		status.Shards = append(status.Shards, admin.Shard{ID: i, Owner: 7, OwnerPod: pod, Epoch: 3, Claimed: true})
	}
	return status
}

func (s *space) shards() map[string]v1alpha1.EventPersisterShard {
	s.t.Helper()
	var list v1alpha1.EventPersisterShardList
	require.NoError(s.t, cluster.List(s.t.Context(), &list, client.InNamespace(s.name)))
	byName := map[string]v1alpha1.EventPersisterShard{}
	for _, e := range list.Items {
		byName[e.Name] = e
	}
	return byName
}

// wantShards waits until each of n shards satisfies want.
func (s *space) wantShards(n int, want func(v1alpha1.EventPersisterShard, *metav1.Condition) bool) {
	s.t.Helper()
	s.eventually(func() string {
		found := s.shards()
		if len(found) != n {
			return fmt.Sprintf("%d shards", len(found))
		}
		for _, e := range found {
			if !want(e, meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionReady)) {
				return fmt.Sprintf("%s: %+v", e.Name, e.Status)
			}
		}
		return ""
	})
}

// serving makes a Homeserver with a pool of one ready worker.
func serving(t *testing.T, data admin.Status) *space {
	t.Helper()
	s := newSpace(t)
	s.data.status = data
	s.migrated("{}")
	s.ready("demo-persister", 1)
	return s
}

func TestShardsShowTheirOwners(t *testing.T) {
	t.Parallel()
	s := serving(t, claimedBy("demo-persister-0", 64))
	claimed := func(e v1alpha1.EventPersisterShard, c *metav1.Condition) bool {
		return e.Status.Owner == "demo-persister-0" && e.Status.OwnerID == 7 && e.Status.Epoch == 3 && e.Status.Claimed &&
			c != nil && c.Status == "True" && c.Reason == v1alpha1.ReasonClaimed
	}
	s.wantShards(64, claimed)
	require.Contains(t, s.shards(), "demo-00")
	require.Contains(t, s.shards(), "demo-63")
	var credential corev1.Secret
	s.get("demo-internal", &credential)
	s.data.set(func(d *dataPlane) { require.Equal(t, string(credential.Data["credential"]), d.asked[0]) })

	// One that is deleted comes back, and its status with it.
	require.NoError(t, cluster.Delete(t.Context(), &v1alpha1.EventPersisterShard{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo-07"}}))
	s.wantShards(64, claimed)

	// A shard between two owners.
	s.data.set(func(d *dataPlane) {
		d.status.Shards = append([]admin.Shard(nil), d.status.Shards...)
		d.status.Shards[5] = admin.Shard{ID: 5, Epoch: 4}
	})
	s.eventually(func() string {
		c := meta.FindStatusCondition(s.shards()["demo-05"].Status.Conditions, v1alpha1.ConditionReady)
		if c.Status != "False" || c.Reason != v1alpha1.ReasonUnowned {
			return c.Reason
		}
		return ""
	})
	s.condition(v1alpha1.ConditionShardsClaimed, "False", v1alpha1.ReasonShardsUnclaimed)
}

func TestShardsOfSilentWorkersAreUnknown(t *testing.T) {
	t.Parallel()
	s := serving(t, claimedBy("demo-persister-0", 64))
	s.wantShards(64, func(_ v1alpha1.EventPersisterShard, c *metav1.Condition) bool { return c != nil && c.Status == "True" })
	s.data.set(func(d *dataPlane) { d.err = errors.New("connection refused") })
	s.wantShards(64, func(e v1alpha1.EventPersisterShard, c *metav1.Condition) bool {
		return c.Status == "Unknown" && c.Reason == v1alpha1.ReasonStatusUnknown && e.Status.Owner == "demo-persister-0"
	})
	s.data.set(func(d *dataPlane) { d.err = nil })
	s.wantShards(64, func(_ v1alpha1.EventPersisterShard, c *metav1.Condition) bool { return c.Status == "True" })
}

// asked notes what is written, or asked to be: what changes nothing is a burden on the API server too.
type asked struct {
	http.RoundTripper
	mu     *sync.Mutex
	writes map[string]bool
}

func (a asked) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, what, inNamespace := strings.Cut(r.URL.Path, "/namespaces/"); inNamespace && r.Method != http.MethodGet {
		_, what, _ = strings.Cut(what, "/")
		a.mu.Lock()
		a.writes[r.Method+" "+what] = true
		a.mu.Unlock()
	}
	return a.RoundTripper.RoundTrip(r)
}

// A second pass by an operator that remembers nothing writes nothing, and asks for nothing to be written.
func TestSecondPassWritesNothing(t *testing.T) {
	t.Parallel()
	s := serving(t, claimedBy("demo-persister-0", 64))
	s.wantShards(64, func(_ v1alpha1.EventPersisterShard, c *metav1.Condition) bool { return c != nil && c.Status == "True" })
	s.condition(v1alpha1.ConditionShardsClaimed, "True", v1alpha1.ReasonShardsClaimed)
	s.poolCondition("demo-persister", v1alpha1.ConditionReady, "True", v1alpha1.ReasonAllReplicasReady)
	s.stop()
	before := s.versions()

	var mu sync.Mutex
	writes := map[string]bool{}
	config := rest.CopyConfig(operatorConfig)
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper { return asked{rt, &mu, writes} })
	s.startAs(config)
	// What is deleted is made again by each controller's next pass, so passes have been made when all is back.
	gone := []client.Object{
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo-federation"}},
		&policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo-persister"}},
		&v1alpha1.EventPersisterShard{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo-63"}},
	}
	for _, o := range gone {
		require.NoError(t, cluster.Delete(t.Context(), o))
	}
	s.eventually(func() string {
		for _, o := range gone {
			if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
				return err.Error()
			}
		}
		return ""
	})
	s.wantShards(64, func(_ v1alpha1.EventPersisterShard, c *metav1.Condition) bool { return c != nil && c.Status == "True" })
	s.condition(v1alpha1.ConditionShardsClaimed, "True", v1alpha1.ReasonShardsClaimed)
	s.stop()
	after := s.versions()
	for _, versions := range []map[string]string{before, after} {
		delete(versions, "Service/demo-federation")
		delete(versions, "PodDisruptionBudget/demo-persister")
		delete(versions, "EventPersisterShard/demo-63")
		delete(versions, "Homeserver/demo") // its status counted the shard that was gone
	}
	require.Equal(t, before, after)
	mu.Lock()
	defer mu.Unlock()
	require.NotEmpty(t, writes)
	for write := range writes {
		_, what, _ := strings.Cut(write, " ")
		require.Contains(t, []string{
			"services/demo-federation", "poddisruptionbudgets/demo-persister", "eventpersistershards", "eventpersistershards/demo-63/status",
			"homeservers/demo/status", "events",
		}, what, "%s, though nothing had changed", write)
	}
}

// What a pass decides, it decides by a cache that may be behind: then it takes a status that it is about to see changed for
// the one that it wants, and writes nothing. That a status has changed must therefore be reason for a pass.
func TestWrongStatusIsPutRight(t *testing.T) {
	t.Parallel()
	s := serving(t, claimedBy("demo-persister-0", 64))
	s.condition(v1alpha1.ConditionShardsClaimed, "True", v1alpha1.ReasonShardsClaimed)
	s.poolCondition("demo-persister", v1alpha1.ConditionReady, "True", v1alpha1.ReasonAllReplicasReady)

	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	before := hs.DeepCopy()
	hs.Status.Shards.Claimed = 63
	require.NoError(t, cluster.Status().Patch(t.Context(), &hs, client.MergeFrom(before)))
	s.eventually(func() string {
		s.get("demo", &hs)
		return differs(64, hs.Status.Shards.Claimed)
	})

	var wp v1alpha1.WorkerPool
	s.get("demo-persister", &wp)
	pool := wp.DeepCopy()
	wp.Status.ReadyReplicas = 17
	require.NoError(t, cluster.Status().Patch(t.Context(), &wp, client.MergeFrom(pool)))
	s.eventually(func() string {
		s.get("demo-persister", &wp)
		return differs(1, wp.Status.ReadyReplicas)
	})
}

func differs[T comparable](want, have T) string {
	if want == have {
		return ""
	}
	return fmt.Sprintf("wanted %v, have %v", want, have)
}

// versions are the resource versions of all there is in the namespace.
func (s *space) versions() map[string]string {
	s.t.Helper()
	found := map[string]string{}
	for kind, list := range map[string]client.ObjectList{
		"Homeserver": &v1alpha1.HomeserverList{}, "WorkerPool": &v1alpha1.WorkerPoolList{}, "EventPersisterShard": &v1alpha1.EventPersisterShardList{},
		"Deployment": &appsv1.DeploymentList{}, "Service": &corev1.ServiceList{}, "Secret": &corev1.SecretList{}, "PodDisruptionBudget": &policyv1.PodDisruptionBudgetList{},
	} {
		require.NoError(s.t, cluster.List(s.t.Context(), list, client.InNamespace(s.name)))
		items, err := meta.ExtractList(list)
		require.NoError(s.t, err)
		for _, item := range items {
			o, ok := item.(client.Object)
			require.True(s.t, ok)
			found[kind+"/"+o.GetName()] = o.GetResourceVersion()
		}
	}
	return found
}

func TestTheStatusTellsOfRedis(t *testing.T) {
	t.Parallel()
	s := serving(t, claimedBy("demo-persister-0", 64))
	for _, step := range []struct {
		told   string
		status metav1.ConditionStatus
		reason string
	}{
		{admin.RedisReachable, "True", v1alpha1.ReasonRedisReachable},
		{admin.RedisRefused, "False", v1alpha1.ReasonRedisAuthenticationFailed},
		{admin.RedisUnreachable, "False", v1alpha1.ReasonRedisUnreachable},
		{"", "Unknown", v1alpha1.ReasonStatusUnknown}, // a worker of a build before
		{admin.RedisReachable, "True", v1alpha1.ReasonRedisReachable},
	} {
		s.data.set(func(d *dataPlane) { d.status.Redis = step.told })
		s.condition(v1alpha1.ConditionRedisReachable, step.status, step.reason)
	}
	s.condition(v1alpha1.ConditionShardsClaimed, "True", v1alpha1.ReasonShardsClaimed)
}

func TestAPoolShowsItsLag(t *testing.T) {
	t.Parallel()
	status := claimedBy("demo-persister-0", 64)
	tells := func(oldest time.Duration) []admin.Worker {
		return []admin.Worker{{
			ID: 7, Pod: "demo-persister-0", Pool: "demo-persister", State: admin.StateLive, ExpiresInMS: 2000,
			Lag: lag.Reading{lag.Persister: {Oldest: oldest}},
		}}
	}
	status.Workers = tells(3 * time.Millisecond)
	s := serving(t, status)
	shows := func(want string) {
		t.Helper()
		s.eventually(func() string {
			var wp v1alpha1.WorkerPool
			s.get("demo-persister", &wp)
			return differs(want, wp.Status.Lag)
		})
	}
	shows("0s")
	s.data.set(func(d *dataPlane) { d.status.Workers = tells(2 * time.Second) })
	shows("1s")
	s.data.set(func(d *dataPlane) { d.err = errors.New("nobody answers") })
	shows("")
}
