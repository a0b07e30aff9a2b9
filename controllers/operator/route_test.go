package operator_test

import (
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
)

// routeChange asks for a route, with these fields.
func routeChange(fields string) string {
	return `{spec: {publicBaseURL: "https://matrix.example.org", route: {` + fields + `}}}`
}

func TestValidationOfRoute(t *testing.T) {
	t.Parallel()
	with := func(fields string, refusal ...string) example {
		return example{base: homeserverYAML, change: routeChange(fields), refusal: refusal}
	}
	judge(t, map[string]example{
		"gateway": with(`parentRefs: [{name: public}]`),
		"all":     with(`parentRefs: [{name: public, namespace: gateways, sectionName: https}, {name: inside}], wellKnownHost: example.org`),
		"no base url": {base: homeserverYAML, change: `{spec: {route: {parentRefs: [{name: public}]}}}`,
			refusal: []string{"spec", "publicBaseURL is required with route"}},
		"and ingress": {base: homeserverYAML, change: `{spec: {publicBaseURL: "https://a.example", ingress: {host: a.example}, route: {parentRefs: [{name: public}]}}}`,
			refusal: []string{"spec", "an ingress or a route, not both"}},
		"no gateways":  with(``, "spec.route.parentRefs", "Required"),
		"none":         with(`parentRefs: []`, "spec.route.parentRefs", "at least 1"),
		"nine":         with(`parentRefs: [`+strings.Repeat(`{name: a},`, 9)+`]`, "spec.route.parentRefs", "at most 8"),
		"no name":      with(`parentRefs: [{namespace: a}]`, "spec.route.parentRefs[0].name", "Required"),
		"name":         with(`parentRefs: [{name: A}]`, "spec.route.parentRefs[0].name", "object's name"),
		"name long":    with(`parentRefs: [{name: `+strings.Repeat("a", 254)+`}]`, "spec.route.parentRefs[0].name", "253"),
		"namespace":    with(`parentRefs: [{name: a, namespace: a.b}]`, "spec.route.parentRefs[0].namespace", "namespace's name"),
		"section name": with(`parentRefs: [{name: a, sectionName: "a b"}]`, "spec.route.parentRefs[0].sectionName", "listener's name"),
		"well known":   with(`parentRefs: [{name: a}], wellKnownHost: "a.example:443"`, "spec.route.wellKnownHost", "DNS name"),
	})
}

// gatewayAPI adds the definition of HTTPRoutes to the cluster, until the test ends.
func gatewayAPI(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "httproutes.yaml"))
	require.NoError(t, err)
	definition := object(t, string(text), "{}")
	require.NoError(t, cluster.Create(t.Context(), definition))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		require.NoError(t, cluster.Delete(ctx, definition))
		tick := time.NewTicker(25 * time.Millisecond)
		defer tick.Stop()
		for !apierrors.IsNotFound(cluster.Get(ctx, client.ObjectKeyFromObject(definition), definition)) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatal("the definition of HTTPRoutes is not gone")
			}
		}
	})
}

// wantRoutes waits until there are HTTPRoutes of these names for these hosts, and no others.
func (s *space) wantRoutes(hosts map[string]string) map[string]unstructured.Unstructured {
	s.t.Helper()
	found := map[string]unstructured.Unstructured{}
	s.eventually(func() string {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(desired.RouteKind.GroupVersion().WithKind("HTTPRouteList"))
		if err := cluster.List(s.t.Context(), list, client.InNamespace(s.name)); err != nil {
			return err.Error()
		}
		clear(found)
		have := map[string]string{}
		for _, r := range list.Items {
			hostnames, _, _ := unstructured.NestedStringSlice(r.Object, "spec", "hostnames")
			found[r.GetName()], have[r.GetName()] = r, strings.Join(hostnames, " ")
		}
		if !maps.Equal(hosts, have) {
			return "the routes are " + strings.Join(slices.Sorted(maps.Keys(have)), " ")
		}
		return ""
	})
	return found
}

// answer writes what a Gateway's controller says about the route.
func (s *space) answer(route unstructured.Unstructured, status, reason string) {
	s.t.Helper()
	s.eventually(func() string {
		now := cluster.Get(s.t.Context(), client.ObjectKeyFromObject(&route), &route)
		if now != nil {
			return now.Error()
		}
		route.Object["status"] = map[string]any{"parents": []any{map[string]any{
			"controllerName": "test.example/gateways", "parentRef": map[string]any{"name": "public"},
			"conditions": []any{map[string]any{
				"type": "Accepted", "status": status, "reason": reason, "message": "it is so.",
				"observedGeneration": route.GetGeneration(), "lastTransitionTime": metav1.Now().UTC().Format(time.RFC3339),
			}},
		}}}
		if err := cluster.Status().Update(s.t.Context(), &route); err != nil {
			return err.Error()
		}
		return ""
	})
}

func (s *space) patch(text string) {
	s.t.Helper()
	hs := &v1alpha1.Homeserver{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo"}}
	require.NoError(s.t, cluster.Patch(s.t.Context(), hs, client.RawPatch(types.MergePatchType, []byte(text))))
}

// routeWrites counts what is asked of HTTPRoutes but to be read.
type routeWrites struct {
	http.RoundTripper
	n *atomic.Int64
}

func (w routeWrites) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && resource(r.URL.Path) == "httproutes" {
		w.n.Add(1)
	}
	return w.RoundTripper.RoundTrip(r)
}

// One test, for there is one cluster: it has the Gateway API, or not.
func TestRoutesComeAndGoWithTheSpecAndWithTheGatewayAPI(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	both := map[string]string{"demo": "matrix.example.org", "demo-well-known": "example.org"}
	hs := object(t, homeserverYAML, routeChange(`parentRefs: [{name: public, namespace: gateways, sectionName: https}], wellKnownHost: example.org`))
	require.NoError(t, unstructured.SetNestedField(hs.Object, int64(1), "spec", "shards"))
	s.create(s.secret("db", "postgres://one"), s.secret("cache", "redis://one"), hs)
	s.start()
	s.condition(v1alpha1.ConditionRouteAccepted, "False", v1alpha1.ReasonGatewayAPIMissing)
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated) // it holds nothing else up
	s.wantShards(1, func(_ v1alpha1.EventPersisterShard, c *metav1.Condition) bool { return c != nil })

	gatewayAPI(t) // of which nothing tells the operator
	routes := s.wantRoutes(both)
	s.condition(v1alpha1.ConditionRouteAccepted, "Unknown", v1alpha1.ReasonRouteUnanswered)
	s.answer(routes["demo"], "True", "Accepted")
	s.answer(routes["demo-well-known"], "False", "NotAllowedByListeners")
	require.Contains(t, s.condition(v1alpha1.ConditionRouteAccepted, "False", v1alpha1.ReasonRouteNotAccepted).Message, "NotAllowedByListeners")
	s.answer(routes["demo-well-known"], "True", "Accepted")
	s.condition(v1alpha1.ConditionRouteAccepted, "True", v1alpha1.ReasonRouteAccepted)

	// A second pass, by an operator that remembers nothing, writes nothing.
	s.stop()
	versions := func() map[string]string {
		found := map[string]string{"Homeserver/demo": s.versions()["Homeserver/demo"]}
		for name, r := range s.wantRoutes(both) {
			found["HTTPRoute/"+name] = r.GetResourceVersion()
		}
		return found
	}
	before := versions()
	writes := &atomic.Int64{}
	counted := rest.CopyConfig(operatorConfig)
	counted.Wrap(func(rt http.RoundTripper) http.RoundTripper { return routeWrites{rt, writes} })
	s.startAs(counted)
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: "demo-federation"}}
	for range 2 { // the second is made again by a pass that begins after the first has made all
		require.NoError(t, cluster.Delete(t.Context(), service))
		s.eventually(func() string {
			if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(service), service); err != nil {
				return err.Error()
			}
			return ""
		})
	}
	require.Equal(t, before, versions())
	require.Zero(t, writes.Load())

	// What somebody else changed is put right.
	changed := s.wantRoutes(both)["demo"]
	require.NoError(t, unstructured.SetNestedStringSlice(changed.Object, []string{"other.example.org"}, "spec", "hostnames"))
	require.NoError(t, cluster.Update(t.Context(), &changed))
	s.wantRoutes(both)
	require.NotZero(t, writes.Load())

	s.patch(`{"spec":{"route":{"wellKnownHost":null}}}`)
	s.wantRoutes(map[string]string{"demo": "matrix.example.org"})
	s.patch(`{"spec":{"publicBaseURL":"https://[2001:db8::1]"}}`)
	s.condition(v1alpha1.ConditionRouteAccepted, "False", v1alpha1.ReasonRouteRefused)
	s.patch(`{"spec":{"publicBaseURL":"https://matrix.example.org","route":{"wellKnownHost":"example.org"}}}`)
	s.wantRoutes(both)

	// Gone with the field, for an Ingress here, and also while no operator runs.
	gone := func() {
		s.wantRoutes(map[string]string{})
		s.eventually(func() string {
			var hs v1alpha1.Homeserver
			s.get("demo", &hs)
			if meta.FindStatusCondition(hs.Status.Conditions, v1alpha1.ConditionRouteAccepted) != nil {
				return "the condition is still there"
			}
			return ""
		})
	}
	s.patch(`{"spec":{"route":null,"ingress":{"host":"matrix.example.org"}}}`)
	gone()
	s.condition(v1alpha1.ConditionIngressMade, "True", v1alpha1.ReasonIngressMade)
	s.patch(`{"spec":{"ingress":null,"route":{"parentRefs":[{"name":"public"}]}}}`)
	s.wantRoutes(map[string]string{"demo": "matrix.example.org"})
	s.stop()
	s.patch(`{"spec":{"route":null}}`)
	s.start()
	gone()
}
