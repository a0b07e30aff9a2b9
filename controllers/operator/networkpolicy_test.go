package operator_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// policy waits until there is the homeserver's NetworkPolicy, or is none.
func (s *space) policy(want bool) *networkingv1.NetworkPolicy {
	s.t.Helper()
	var p networkingv1.NetworkPolicy
	s.eventually(func() string {
		err := cluster.Get(s.t.Context(), types.NamespacedName{Namespace: s.name, Name: "demo"}, &p)
		switch {
		case err != nil && !apierrors.IsNotFound(err):
			return err.Error()
		case want != (err == nil):
			return "the NetworkPolicy is as before"
		}
		return ""
	})
	return &p
}

func TestNetworkPolicyComesAndGoesWithTheSpec(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(s.secret("db", "postgres://one"), s.secret("cache", "redis://one"), object(t, homeserverYAML, `{spec: {networkPolicy: Ingress}}`))
	s.start()
	p := s.policy(true)
	require.Equal(t, map[string]string{"app.kubernetes.io/name": "myelin", "myelin.dev/homeserver": "demo"}, p.Spec.PodSelector.MatchLabels)
	require.Equal(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, p.Spec.PolicyTypes)

	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	before := hs.DeepCopy()
	hs.Spec.NetworkPolicy = v1alpha1.NetworkPolicyNone
	require.NoError(t, cluster.Patch(t.Context(), &hs, client.MergeFrom(before)))
	s.policy(false)
}

func TestNetworkPolicyOfSomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "demo"}})
	s.demo()
	s.start()
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
	require.Empty(t, s.policy(true).OwnerReferences)
}

// The namespaces of these tests enforce Pod Security "restricted".
func TestPodsOfMigrationsAreAdmitted(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.demo()
	s.start()
	s.create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "migration"}, Spec: s.running().Spec.Template.Spec})
}
