package operator_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// ingressChange asks for an Ingress, with more fields.
func ingressChange(fields string) string {
	return `{spec: {publicBaseURL: "https://matrix.example.org", ingress: {` + fields + `}}}`
}

func TestValidationOfIngress(t *testing.T) {
	t.Parallel()
	with := func(fields string, refusal ...string) example {
		return example{base: homeserverYAML, change: ingressChange(fields), refusal: refusal}
	}
	judge(t, map[string]example{
		"host": with(`host: matrix.example.org`),
		"all":  with(`host: matrix.example.org, wellKnownHost: example.org, className: nginx, tlsSecretRef: {name: tls}, annotations: {"a.b/c": d}`),
		"no base url": {base: homeserverYAML, change: `{spec: {ingress: {host: a.example}}}`,
			refusal: []string{"spec", "publicBaseURL is required with ingress"}},
		"no host":    with(`className: nginx`, "spec.ingress.host", "Required"),
		"port":       with(`host: "a.example:443"`, "spec.ingress.host", "DNS name"),
		"wildcard":   with(`host: "*.example"`, "spec.ingress.host", "DNS name"),
		"host long":  with(`host: `+strings.Repeat("a", 254), "spec.ingress.host", "253"),
		"well known": with(`host: a.example, wellKnownHost: "https://example.org"`, "spec.ingress.wellKnownHost", "DNS name"),
		"class":      with(`host: a.example, className: "A b"`, "spec.ingress.className", "object's name"),
		"annotation": with(`host: a.example, annotations: {a: `+strings.Repeat("a", 4097)+`}`, "spec.ingress.annotations.a", "4096"),
	})
}

func TestIngressComesAndGoesWithTheSpec(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(s.secret("db", "postgres://one"), s.secret("cache", "redis://one"), object(t, homeserverYAML,
		ingressChange(`host: matrix.example.org, wellKnownHost: example.org, className: nginx, tlsSecretRef: {name: tls}, annotations: {"a.b/c": d}`)))
	s.start()
	var got networkingv1.Ingress
	there := func(want bool) {
		s.eventually(func() string {
			err := cluster.Get(t.Context(), types.NamespacedName{Namespace: s.name, Name: "demo"}, &got)
			switch {
			case err != nil && !apierrors.IsNotFound(err):
				return err.Error()
			case want != (err == nil):
				return "the Ingress is as before"
			}
			return ""
		})
	}
	there(true)
	require.Equal(t, "nginx", *got.Spec.IngressClassName)
	require.Equal(t, "d", got.Annotations["a.b/c"])
	require.Equal(t, []networkingv1.IngressTLS{{Hosts: []string{"matrix.example.org", "example.org"}, SecretName: "tls"}}, got.Spec.TLS)
	served := map[string][]string{}
	for _, r := range got.Spec.Rules {
		for _, p := range r.HTTP.Paths {
			served[r.Host] = append(served[r.Host], p.Path)
			require.Equal(t, networkingv1.IngressServiceBackend{Name: "demo", Port: networkingv1.ServiceBackendPort{Name: "http"}}, *p.Backend.Service)
		}
	}
	require.Equal(t, map[string][]string{
		"matrix.example.org": {"/_matrix", "/.well-known/matrix"}, "example.org": {"/.well-known/matrix"},
	}, served)

	s.eventually(func() string { // the operator writes the status at the same time
		var hs v1alpha1.Homeserver
		s.get("demo", &hs)
		hs.Spec.Ingress = nil
		if err := cluster.Update(t.Context(), &hs); err != nil {
			return err.Error()
		}
		return ""
	})
	there(false)
}

// What is wrong with the Ingress is told, is nobody else's trouble, and is over when the spec is mended.
func TestRefusedIngressIsToldAndHoldsNothingUp(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(s.secret("db", "postgres://one"), s.secret("cache", "redis://one"), object(t, homeserverYAML,
		ingressChange(`host: matrix.example.org, annotations: {"a b/c": d}`)))
	s.start()
	told := s.condition(v1alpha1.ConditionIngressMade, "False", v1alpha1.ReasonIngressRefused)
	require.Contains(t, told.Message, `a b/c`)
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)

	patch := func(text string) {
		hs := &v1alpha1.Homeserver{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo"}}
		require.NoError(t, cluster.Patch(t.Context(), hs, client.RawPatch(types.MergePatchType, []byte(text))))
	}
	patch(`{"spec":{"ingress":{"annotations":null}}}`)
	s.condition(v1alpha1.ConditionIngressMade, "True", v1alpha1.ReasonIngressMade)
	patch(`{"spec":{"ingress":null}}`)
	s.eventually(func() string {
		var hs v1alpha1.Homeserver
		s.get("demo", &hs)
		if meta.FindStatusCondition(hs.Status.Conditions, v1alpha1.ConditionIngressMade) != nil {
			return "the condition is still there"
		}
		return ""
	})
}
