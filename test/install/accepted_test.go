package install

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// What the chart renders is accepted by a real API server, with strict field validation, and the operator's pod is admitted
// where Pod Security "restricted" is enforced.
func TestChartIsAcceptedByAnAPIServer(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	server := client.WithFieldValidation(c.client, metav1.FieldValidationStrict)
	_, err := envtest.InstallCRDs(c.config, envtest.CRDInstallOptions{ErrorIfPathMissing: true, Paths: monitoringCRDs(t)})
	require.NoError(t, err)
	c.namespace("a")
	c.namespace("myelin-system")
	for _, settings := range [][]string{
		{"allSecrets=true", "networkPolicy.enabled=true", "monitoring.enabled=true", "monitoring.labels.release=prometheus", "metricsAdapter.enabled=true", "metricsAdapter.keda.tlsSecret=keda", "metricsAdapter.keda.clientCertificates=true"},
		{"clusterWide=false", "namespaces={a}", "allSecrets=true", "monitoring.enabled=true", "crds.install=false", "userRoles.create=false", "priorityClassName=system-cluster-critical",
			"imagePullSecrets={pull}", "podLabels.a=b", "podAnnotations.a=b", "serviceAccountAnnotations.a=b", "nodeSelector.a=b", "tolerations[0].operator=Exists",
			"topologySpreadConstraints[0].maxSkew=1", "topologySpreadConstraints[0].topologyKey=zone", "topologySpreadConstraints[0].whenUnsatisfiable=ScheduleAnyway",
			"image.digest=sha256:" + strings.Repeat("0", 64)},
	} {
		all := helm(t, "myelin-system", settings...)
		for _, name := range all.names() {
			require.NoError(t, server.Create(t.Context(), all[name].DeepCopy()), name)
		}
		for name, o := range all {
			if o.GetKind() == "Deployment" {
				t.Log(name)
				admitted(t, server, o)
			}
		}
		for name, o := range all {
			require.NoError(t, c.client.Delete(t.Context(), o), name)
		}
	}
}

// monitoringCRDs are the files of the Prometheus operator's definitions, out of its Go module.
func monitoringCRDs(t *testing.T) []string {
	t.Helper()
	const module = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir() // outside of our modules, none of which needs it
	var downloaded struct{ Dir string }
	require.NoError(t, json.Unmarshal(run(t, cmd), &downloaded))
	var files []string
	for _, kind := range []string{"servicemonitors", "podmonitors", "prometheusrules"} {
		files = append(files, filepath.Join(downloaded.Dir, "example", "prometheus-operator-crd", "monitoring.coreos.com_"+kind+".yaml"))
	}
	return files
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
