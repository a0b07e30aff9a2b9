package operator_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// readable lets the operator without a right to Secrets read those of these names, as docs/install.md says.
func (s *space) readable(names ...string) {
	s.t.Helper()
	rule := func(resource string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{resource}, ResourceNames: names, Verbs: []string{"get", "watch"}}
	}
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "demo-secrets"},
		Rules:      []rbacv1.PolicyRule{rule("secrets"), rule("configmaps")},
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "demo-secrets"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "demo-secrets"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "operator-without-secrets"}},
	}
	s.create(role, binding)
}

// The operator's own role reads no Secret; a role for the Secrets that the Homeserver names is enough for all that it does
// with them, and it hears of their changes.
func TestOnlyNamedSecretsNeedToBeReadable(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.readable("db", "cache", "demo-internal", "demo-signing-key")
	s.create(s.secret("other", "not for the operator"))
	s.demo()
	s.startAs(bareConfig)
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
	s.setSecret("db", "postgres://two")
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)

	bare, err := client.New(bareConfig, client.Options{Scheme: cluster.Scheme()})
	require.NoError(t, err)
	require.Error(t, bare.Get(t.Context(), client.ObjectKeyFromObject(s.secret("other", "")), s.secret("", "")))
}

// What may not be read is named, with what to do; once it may be, the operator goes on by itself.
func TestForbiddenSecretIsToldOf(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.demo()
	s.startAs(bareConfig)
	c := s.condition(v1alpha1.ConditionSecretsReady, "False", v1alpha1.ReasonSecretForbidden)
	require.Contains(t, c.Message, `"db"`)
	s.readable("db", "cache", "demo-internal", "demo-signing-key")
	s.condition(v1alpha1.ConditionSecretsReady, "True", v1alpha1.ReasonSecretsFound)
}

// The generated role has no verb for Secrets but create, so that nobody adds one by the way.
func TestOperatorsRoleReadsNoSecret(t *testing.T) {
	t.Parallel()
	var role rbacv1.ClusterRole
	require.NoError(t, cluster.Get(t.Context(), client.ObjectKey{Name: "operator"}, &role))
	var verbs []string
	for _, rule := range role.Rules {
		if slices.Contains(rule.Resources, "secrets") || slices.Contains(rule.Resources, "*") {
			verbs = append(verbs, rule.Verbs...)
		}
	}
	require.Equal(t, []string{"create"}, verbs)
}

// A signing key that is deleted while the homeserver runs is not replaced by another, which would overwrite the last copies, in
// the pods that run; it is asked for, and with it all goes on as before.
func TestLostSigningKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	s := serving(t, claimedBy("demo-persister-0", 64))
	s.allReady("demo-persister", 1)
	before := s.deployment("demo-persister")
	var key corev1.Secret
	s.get("demo-signing-key", &key)
	require.NoError(t, cluster.Delete(t.Context(), &key))
	c := s.condition(v1alpha1.ConditionSecretsReady, "False", v1alpha1.ReasonSecretMissing)
	require.Contains(t, c.Message, "backup")
	s.condition(v1alpha1.ConditionReady, "False", v1alpha1.ReasonSecretMissing)

	key.ResourceVersion = ""
	s.create(&key)
	s.condition(v1alpha1.ConditionSecretsReady, "True", v1alpha1.ReasonSecretsFound)
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
	require.Equal(t, before.Spec.Template, s.deployment("demo-persister").Spec.Template)
}

// quiet waits until nothing has changed for many looks, so that what happens next has one cause.
func (s *space) quiet() {
	s.t.Helper()
	same, before := 0, s.versions()
	s.eventually(func() string {
		now := s.versions()
		if same++; !maps.Equal(before, now) {
			same = 0
		}
		if before = now; same < 80 {
			return "things change"
		}
		return ""
	})
}

// Certificates may be in ConfigMaps: what is missing is told, what may not be read too, and a change is heard and verified.
func TestAuthoritiesFromConfigMaps(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(s.secret("db", "postgres://one"), s.secret("cache", "rediss://one"), object(t, homeserverYAML,
		"{spec: {shards: 1, postgres: {caConfigMapRef: {name: bundle, key: ca.crt}}, redis: {caConfigMapRef: {name: bundle, key: redis.crt}}}}"))
	s.readable("db", "cache", "demo-internal", "demo-signing-key")
	s.startAs(bareConfig)
	c := s.condition(v1alpha1.ConditionSecretsReady, "False", v1alpha1.ReasonSecretForbidden)
	require.Contains(t, c.Message, `ConfigMap "bundle" that spec.postgres.caConfigMapRef names`)

	var role rbacv1.Role
	s.get("demo-secrets", &role)
	role.Rules[1].ResourceNames = []string{"bundle"}
	require.NoError(t, cluster.Update(t.Context(), &role))
	s.condition(v1alpha1.ConditionSecretsReady, "False", v1alpha1.ReasonSecretMissing)
	bundle := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "bundle"}, Data: map[string]string{"ca.crt": "one"}}
	s.create(bundle)
	c = s.condition(v1alpha1.ConditionSecretsReady, "False", v1alpha1.ReasonSecretKeyMissing)
	require.Contains(t, c.Message, `"redis.crt"`)
	bundle.Data["redis.crt"] = "one"
	require.NoError(t, cluster.Update(t.Context(), bundle))

	job := s.running()
	var projected []string
	for _, from := range job.Spec.Template.Spec.Volumes[0].Projected.Sources {
		if from.ConfigMap != nil {
			projected = append(projected, from.ConfigMap.Name+"/"+from.ConfigMap.Items[0].Key)
		}
	}
	require.Equal(t, []string{"bundle/ca.crt"}, projected, "the Job needs the database's alone")
	s.finish(job, result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
	s.stop()
	s.startAs(bareConfig) // which has nothing forbidden to look for again
	s.quiet()
	bundle.Data["ca.crt"] = "two"
	require.NoError(t, cluster.Update(t.Context(), bundle))
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
}
