package operator_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Whoever applies Homeservers and pools from Git, by server-side apply, is never in conflict with the operator: it writes nothing
// of them but the status. What is taken out of Git is taken out of the resource, and has its default again.
func TestGitOpsIsNeverFought(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(s.secret("db", "postgres://one"), s.secret("cache", "redis://one"))
	put := func(base, change string) error {
		o := object(t, base, change)
		o.SetNamespace(s.name)
		return cluster.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("git"))
	}
	require.NoError(t, put(homeserverYAML, "{spec: {shards: 2, networkPolicy: Ingress, signingKeySecretRef: {name: mine, key: signing.key}}}"))
	mine := s.secret("mine", "")
	mine.Data = map[string][]byte{"signing.key": []byte("ed25519 a_mine AAAA")}
	s.create(mine)
	require.NoError(t, put(poolYAML, "{spec: {replicas: 3, logLevel: debug}}"))
	s.start()
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.allReady("demo-persister", 3)
	s.scale("demo-persister", 2) // as an autoscaler does
	s.allReady("demo-persister", 2)

	for _, o := range []client.Object{&v1alpha1.Homeserver{}, &v1alpha1.WorkerPool{}} {
		s.get(map[bool]string{true: "demo", false: "demo-persister"}[isHomeserver(o)], o)
		for _, owned := range o.GetManagedFields() {
			if strings.HasPrefix(owned.Manager, "myelin") {
				require.Equal(t, "status", owned.Subresource, "%s owns %s", owned.Manager, owned.FieldsV1)
			}
		}
	}
	require.NoError(t, put(homeserverYAML, "{spec: {shards: 2, signingKeySecretRef: {name: mine, key: signing.key}, registration: {mode: open}}}"))
	require.ErrorContains(t, put(homeserverYAML, "{spec: {shards: 2}}"), "signingKeySecretRef cannot be removed")
	require.ErrorContains(t, put(homeserverYAML, "{spec: {signingKeySecretRef: {name: mine, key: signing.key}}}"), "shards cannot be changed")
	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	require.Equal(t, v1alpha1.NetworkPolicyNone, hs.Spec.NetworkPolicy)
	require.NoError(t, put(poolYAML, "{}"))
	var wp v1alpha1.WorkerPool
	s.get("demo-persister", &wp)
	require.Equal(t, int32(2), *wp.Spec.Replicas, "Git left the number out, so it stays the autoscaler's")
	require.Equal(t, "info", wp.Spec.LogLevel)
}

func isHomeserver(o client.Object) bool { _, yes := o.(*v1alpha1.Homeserver); return yes }
