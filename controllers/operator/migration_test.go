package operator_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// What spec.migration says reaches a Job whose pod does not start, without waiting for its deadline.
func TestAChangedSpecReachesAStuckMigration(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.demo()
	s.start()
	stuck := s.running()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: stuck.Name + "-", Namespace: s.name, Labels: map[string]string{batchv1.JobNameLabel: stuck.Name}},
		Spec:       stuck.Spec.Template.Spec,
	}
	require.NoError(t, cluster.Create(t.Context(), pod))
	pod.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "no node has so much memory",
	}}
	require.NoError(t, cluster.Status().Update(t.Context(), pod))
	s.eventually(func() string {
		c := s.condition(v1alpha1.ConditionDatabaseReady, "Unknown", v1alpha1.ReasonMigrationRunning)
		if !strings.Contains(c.Message, "no node has so much memory") {
			return c.Message
		}
		return ""
	})
	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	before := hs.DeepCopy()
	hs.Spec.Migration.NodeSelector = map[string]v1alpha1.LabelValue{"disk": "fast"}
	require.NoError(t, cluster.Patch(t.Context(), &hs, client.MergeFrom(before)))
	var job *batchv1.Job
	s.eventually(func() string {
		job = s.running()
		return differs(1, int32(len(job.Spec.Template.Spec.NodeSelector)))
	})
	require.NotEqual(t, stuck.UID, job.UID)
	s.finish(job, result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
}
