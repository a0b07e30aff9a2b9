package install

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const root = "../.."

// objects of a rendering, by kind, namespace and name.
type objects map[string]*unstructured.Unstructured

func parse(t *testing.T, text []byte) objects {
	t.Helper()
	all := objects{}
	for document := range bytes.SplitSeq(text, []byte("\n---")) {
		asJSON, err := yaml.YAMLToJSONStrict(bytes.TrimPrefix(document, []byte("---")))
		require.NoError(t, err, "%s", document)
		o := &unstructured.Unstructured{}
		require.NoError(t, json.Unmarshal(asJSON, &o.Object))
		if len(o.Object) == 0 {
			continue
		}
		name := strings.Join([]string{o.GetKind(), o.GetNamespace(), o.GetName()}, "/")
		require.NotContains(t, all, name, "rendered twice")
		all[name] = o
	}
	return all
}

// names are those of the objects, sorted.
func (o objects) names() []string { return slices.Sorted(maps.Keys(o)) }

// assets is the folder with kubectl, kube-apiserver and etcd.
func assets(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" && os.Getenv("CI") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: it names the directory with kubectl and kube-apiserver, see hack/cluster")
	}
	require.NotEmpty(t, dir, "KUBEBUILDER_ASSETS names the directory with kubectl and kube-apiserver, see hack/cluster")
	return dir
}

// kustomize renders a folder of config/ with these of the components that are off by default.
func kustomize(t *testing.T, folder string, components ...string) objects {
	t.Helper()
	kubectl := filepath.Join(assets(t), "kubectl")
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.CopyFS(config, os.DirFS(filepath.Join(root, "config"))))
	file := filepath.Join(config, folder, "kustomization.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	if len(components) > 0 { // as docs/install.md says: take the # away
		changed := strings.Replace(string(text), "#components:", "components:", 1)
		for _, c := range components {
			require.Contains(t, changed, "#- ../components/"+c+"\n")
			changed = strings.Replace(changed, "#- ../components/"+c+"\n", "- ../components/"+c+"\n", 1)
		}
		require.NoError(t, os.WriteFile(file, []byte(changed), 0o600))
	}
	return parse(t, run(t, exec.CommandContext(t.Context(), kubectl, "kustomize", filepath.Dir(file))))
}

// helmPath is Helm at the version that hack/helm pins. It is built once, into Go's cache: tests that began at the same time
// would each build it.
var helmPath = sync.OnceValues(func() (string, error) {
	file := "-modfile=" + filepath.Join(root, "hack", "helm", "go.mod")
	if out, err := exec.Command("go", "tool", file, "helm", "version").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	out, err := exec.Command("go", "tool", file, "-n", "helm").Output()
	return strings.TrimSpace(string(out)), err
})

func helmCommand(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	path, err := helmPath()
	require.NoError(t, err, "build Helm")
	return exec.CommandContext(t.Context(), path, arguments...)
}

// template renders the chart as the release myelin. Without a cluster Helm takes its own, old version for the server's.
func template(t *testing.T, namespace string, settings ...string) *exec.Cmd {
	t.Helper()
	arguments := []string{"template", "myelin", filepath.Join(root, "charts", "myelin"), "--namespace", namespace, "--kube-version", "v1.34.0"}
	for _, s := range settings {
		arguments = append(arguments, "--set", s)
	}
	return helmCommand(t, arguments...)
}

// helm gives what template renders.
func helm(t *testing.T, namespace string, settings ...string) objects {
	t.Helper()
	return parse(t, run(t, template(t, namespace, settings...)))
}

func run(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	require.NoError(t, cmd.Run(), "%s: %s", cmd, &failure)
	return out.Bytes()
}

func TestChartAndKustomizeRenderTheSame(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		folder     string
		components []string
		namespace  string
		settings   []string
	}{
		"cluster-wide": {"default", nil, "myelin-system", nil},
		"cluster-wide with all": {
			"default", []string{"all-secrets", "network-policy", "monitoring", "metrics-adapter", "metrics-adapter-network-policy"}, "myelin-system",
			[]string{"allSecrets=true", "networkPolicy.enabled=true", "monitoring.enabled=true", "metricsAdapter.enabled=true"},
		},
		"namespaced": {"namespaced", nil, "myelin", []string{"clusterWide=false"}},
		"namespaced with all": {
			"namespaced", []string{"all-secrets", "network-policy", "monitoring"}, "myelin",
			[]string{"clusterWide=false", "allSecrets=true", "networkPolicy.enabled=true", "monitoring.enabled=true"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := kustomize(t, test.folder, test.components...)
			have := helm(t, test.namespace, test.settings...)
			// Helm makes the release's namespace itself.
			delete(want, "Namespace//"+test.namespace)
			require.Equal(t, want.names(), have.names())
			for name, o := range have {
				if o.GetKind() == "CustomResourceDefinition" { // what only Helm needs to be told: to leave it when it uninstalls
					annotations := o.GetAnnotations()
					require.Equal(t, "keep", annotations["helm.sh/resource-policy"], name)
					delete(annotations, "helm.sh/resource-policy")
					o.SetAnnotations(annotations)
				}
				require.Equal(t, want[name].Object, o.Object, name)
			}
		})
	}
}

func TestChartGivesEachNamespaceItsRole(t *testing.T) {
	t.Parallel()
	all := helm(t, "operators", "clusterWide=false", "namespaces={a,b}", "allSecrets=true", "crds.install=false", "userRoles.create=false")
	require.Equal(t, []string{
		"Deployment/operators/myelin-operator",
		"Role/a/myelin-operator", "Role/a/myelin-operator-secrets",
		"Role/b/myelin-operator", "Role/b/myelin-operator-secrets",
		"Role/operators/myelin-leader-election",
		"RoleBinding/a/myelin-operator", "RoleBinding/a/myelin-operator-secrets",
		"RoleBinding/b/myelin-operator", "RoleBinding/b/myelin-operator-secrets",
		"RoleBinding/operators/myelin-leader-election",
		"ServiceAccount/operators/myelin-operator",
	}, all.names(), "nothing is the cluster's")
	for name, o := range all {
		if o.GetKind() == "RoleBinding" {
			subjects, _, err := unstructured.NestedSlice(o.Object, "subjects")
			require.NoError(t, err)
			require.Equal(t, []any{map[string]any{"kind": "ServiceAccount", "name": "myelin-operator", "namespace": "operators"}}, subjects, name)
		}
	}
	containers, _, err := unstructured.NestedSlice(all["Deployment/operators/myelin-operator"].Object, "spec", "template", "spec", "containers")
	require.NoError(t, err)
	require.Contains(t, containers[0].(map[string]any)["args"], "--namespaces=a,b")
}
