package operator_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

const nextImage = "registry.example/myelin:next"

// upgradable is a homeserver of two pools that runs.
func upgradable(t *testing.T) *space {
	s := newSpace(t)
	s.migrated(`{metadata: {name: a-gateway}, spec: {roles: [gateway]}}`, "{}")
	s.ready("a-gateway", 1)
	s.ready("demo-persister", 1)
	return s
}

// contracted is the image for which the database is, by the status.
func (s *space) contracted() string {
	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	if hs.Status.Database == nil {
		return ""
	}
	return hs.Status.Database.ContractedImage
}

// The last step of an upgrade: what the old image needed is removed once no pod has it, and not before; a new homeserver has
// nothing older. What fails is told, tried again, and stops nothing.
func TestADatabaseIsContractedOnceEveryPodHasTheImage(t *testing.T) {
	t.Parallel()
	s := upgradable(t)
	require.Equal(t, s.image("a-gateway"), s.contracted(), "a new database holds nothing older")
	s.setImage(nextImage)
	job := s.running()
	require.False(t, hasArg(job, "--contract"))
	s.finish(job, result("Migrated", "", "db-1"))
	s.wantImage("demo-persister", nextImage)
	s.ready("demo-persister", 1)
	s.wantImage("a-gateway", nextImage)
	s.rolling("a-gateway")
	s.poolCondition("a-gateway", v1alpha1.ConditionReconciling, "True", v1alpha1.ReasonRollingOut)
	require.Len(t, jobs(s), 1, "an old pod is left")

	s.ready("a-gateway", 1)
	job = s.running()
	require.True(t, hasArg(job, "--contract"))
	require.Equal(t, nextImage, job.Spec.Template.Spec.Containers[0].Image)
	s.finish(job, result("MigrationFailed", "workers of an older version live", ""))
	s.eventually(func() string {
		if c := s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated); !strings.Contains(c.Message, "older version live") {
			return c.Message
		}
		return ""
	})
	require.NotEqual(t, nextImage, s.contracted())
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.eventually(func() string {
		if c := s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated); strings.Contains(c.Message, "older") || s.contracted() != nextImage {
			return c.Message
		}
		return ""
	})
}

// An upgrade by operators that are killed after each of their writes, one write each, ends as one by an operator that lives.
func TestAnUpgradeByOperatorsThatAreKilledAfterEachWrite(t *testing.T) {
	t.Parallel()
	s := upgradable(t)
	s.poolCondition("a-gateway", v1alpha1.ConditionReady, "True", v1alpha1.ReasonAllReplicasReady)
	// What is not written yet of the shards would take a life each.
	s.wantShards(64, func(_ v1alpha1.EventPersisterShard, c *metav1.Condition) bool { return c != nil })
	s.stop()
	s.setImage(nextImage)
	made := map[string]bool{}
	lives := s.byDying(anything, func() bool { return s.contracted() == nextImage }, func() { s.upgrade(made) })
	require.Greater(t, lives, 5, "two Jobs, two Deployments, and what the status says")
	s.start()
	for _, pool := range []string{"demo-persister", "a-gateway"} {
		require.Equal(t, nextImage, s.image(pool))
		s.poolCondition(pool, v1alpha1.ConditionReady, "True", v1alpha1.ReasonAllReplicasReady)
	}
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
	require.Len(t, made, 2, "each phase had one Job: %v", made)
}

// upgrade is what Jobs, kubelet and the controllers of Deployments do about an upgrade. It notes the Jobs, and that none
// contracts while a pool has the old image.
func (s *space) upgrade(made map[string]bool) {
	s.t.Helper()
	var all batchv1.JobList
	require.NoError(s.t, cluster.List(s.t.Context(), &all, client.InNamespace(s.name)))
	for i := range all.Items {
		j := &all.Items[i]
		if len(j.Status.Conditions) > 0 || !j.DeletionTimestamp.IsZero() {
			continue
		}
		made[j.Name] = true
		if hasArg(j, "--contract") {
			require.Equal(s.t, []string{nextImage, nextImage}, []string{s.image("demo-persister"), s.image("a-gateway")})
		}
		s.finish(j, result("Migrated", "", "db-1"))
	}
	for _, pool := range []string{"demo-persister", "a-gateway"} {
		if d := s.deployment(pool); d.Status.ObservedGeneration != d.Generation {
			s.ready(pool, 1)
		}
	}
}
