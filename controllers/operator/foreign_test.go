package operator_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// A Service that somebody has made by hand, with the name that a Homeserver needs, is not taken from them: the status says so,
// and the homeserver is made once the name is free.
func TestForeignServiceIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	foreign := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "demo", Labels: map[string]string{"app": "other"}},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "other"}, Ports: []corev1.ServicePort{{Port: 7}}},
	}
	s.create(foreign)
	s.demo()
	s.start()
	c := s.condition(v1alpha1.ConditionStalled, "True", v1alpha1.ReasonNameTaken)
	require.Contains(t, c.Message, "Service demo")
	s.condition(v1alpha1.ConditionReady, "False", v1alpha1.ReasonNameTaken)
	var service corev1.Service
	s.get("demo", &service)
	require.Equal(t, foreign.ResourceVersion, service.ResourceVersion)

	require.NoError(t, cluster.Delete(t.Context(), foreign)) // nobody tells the operator
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	require.NotEqual(t, v1alpha1.ReasonNameTaken, meta.FindStatusCondition(hs.Status.Conditions, v1alpha1.ConditionReady).Reason)
}

// One Homeserver's Service may have the name of another's: who came later is told.
func TestNamesOfTwoHomeserversMayMeet(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(s.secret("db", "postgres://one"), s.secret("cache", "redis://one"))
	s.create(object(t, homeserverYAML, "{metadata: {name: demo-internal}}"))
	s.start()
	s.running()
	s.create(object(t, homeserverYAML, "{}"))
	c := s.condition(v1alpha1.ConditionReady, "False", v1alpha1.ReasonNameTaken)
	require.Contains(t, c.Message, "Service demo-internal")
	require.Contains(t, c.Message, "Homeserver demo-internal")
}

// What a quota forbids is said in the status, of a Homeserver and of a pool, and is made once it is allowed.
func TestQuotasAreToldOf(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	none := corev1.ResourceList{"count/jobs.batch": quantity.MustParse("0")}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "none"}, Spec: corev1.ResourceQuotaSpec{Hard: none}}
	s.create(quota)
	quota.Status.Hard, quota.Status.Used = none, none // as its controller does, which is not here
	require.NoError(t, cluster.Status().Update(t.Context(), quota))
	s.demo()
	s.start()
	c := s.condition(v1alpha1.ConditionStalled, "True", v1alpha1.ReasonObjectRefused)
	require.Contains(t, c.Message, "exceeded quota")
	require.NoError(t, cluster.Delete(t.Context(), quota))
	job := s.running()

	none = corev1.ResourceList{"count/deployments.apps": quantity.MustParse("0")}
	quota = &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "none-either"}, Spec: corev1.ResourceQuotaSpec{Hard: none}}
	s.create(quota)
	quota.Status.Hard, quota.Status.Used = none, none
	require.NoError(t, cluster.Status().Update(t.Context(), quota))
	s.create(object(t, poolYAML, "{}"))
	s.finish(job, result("Migrated", "", "db-1"))
	s.poolCondition("demo-persister", v1alpha1.ConditionStalled, "True", v1alpha1.ReasonDeploymentRefused)
	require.NoError(t, cluster.Delete(t.Context(), quota))
	s.deployment("demo-persister")
}
