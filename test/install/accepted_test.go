package install

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What the chart renders is accepted by a real API server, with strict field validation, and the operator's pod is admitted
// where Pod Security "restricted" is enforced. Monitoring is of kinds that a bare server does not have.
func TestChartIsAcceptedByAnAPIServer(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	server := client.WithFieldValidation(c.client, metav1.FieldValidationStrict)
	c.namespace("a")
	c.namespace("myelin-system")
	for _, settings := range [][]string{
		{"allSecrets=true", "networkPolicy.enabled=true"},
		{"clusterWide=false", "namespaces={a}", "allSecrets=true", "crds.install=false", "userRoles.create=false", "priorityClassName=system-cluster-critical",
			"imagePullSecrets={pull}", "podLabels.a=b", "podAnnotations.a=b", "serviceAccountAnnotations.a=b", "nodeSelector.a=b", "tolerations[0].operator=Exists",
			"topologySpreadConstraints[0].maxSkew=1", "topologySpreadConstraints[0].topologyKey=zone", "topologySpreadConstraints[0].whenUnsatisfiable=ScheduleAnyway",
			"image.digest=sha256:" + strings.Repeat("0", 64)},
	} {
		all := helm(t, "myelin-system", settings...)
		for _, name := range all.names() {
			require.NoError(t, server.Create(t.Context(), all[name].DeepCopy()), name)
		}
		admitted(t, server, all["Deployment/myelin-system/myelin-operator"])
		for name, o := range all {
			require.NoError(t, c.client.Delete(t.Context(), o), name)
		}
	}
}

// admitted makes one pod of the Deployment, as its controller would.
func admitted(t *testing.T, server client.Client, deployment *unstructured.Unstructured) {
	t.Helper()
	spec, _, err := unstructured.NestedMap(deployment.Object, "spec", "template", "spec")
	require.NoError(t, err)
	text, err := json.Marshal(spec)
	require.NoError(t, err)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "operator", Namespace: deployment.GetNamespace()}}
	require.NoError(t, json.Unmarshal(text, &pod.Spec))
	pod.Spec.PriorityClassName = ""
	require.NoError(t, server.Create(t.Context(), pod, client.DryRunAll))
}
