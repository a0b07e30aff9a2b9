package install

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/operator"
)

// hang is when to stop waiting. It is no statement about speed.
const hang = 3 * time.Minute

// cluster is a real API server, with the command line's way to it.
type cluster struct {
	t          *testing.T
	config     *rest.Config
	client     client.Client
	kubeconfig string
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	env := &envtest.Environment{BinaryAssetsDirectory: assets(t)}
	env.ControlPlane.Etcd = &envtest.Etcd{}
	env.ControlPlane.Etcd.Configure().Append("unsafe-no-fsync", "true") // nothing outlives the test
	config, err := env.Start()
	t.Cleanup(func() { require.NoError(t, env.Stop()) }) // also after a start that failed half-way
	require.NoError(t, err)
	c := &cluster{t: t, config: config, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	scheme := operator.Scheme()
	require.NoError(t, rbacv1.AddToScheme(scheme))
	c.client, err = client.New(config, client.Options{Scheme: scheme})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(c.kubeconfig, env.KubeConfig, 0o600))
	return c
}

func (c *cluster) namespace(name string) {
	c.t.Helper()
	require.NoError(c.t, c.client.Create(c.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}))
}

func (c *cluster) helm(arguments ...string) {
	c.t.Helper()
	run(c.t, helmCommand(c.t, append(arguments, "--kubeconfig", c.kubeconfig)...))
}

func (c *cluster) kubectl(arguments ...string) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), filepath.Join(assets(c.t), "kubectl"), append(arguments, "--kubeconfig", c.kubeconfig)...)
	cmd.Dir = root
	run(c.t, cmd)
}

// established waits until the API server serves the resources.
func (c *cluster) established() {
	c.t.Helper()
	c.kubectl("wait", "--for=condition=Established", "--timeout="+hang.String(),
		"crd/homeservers.myelin.dev", "crd/workerpools.myelin.dev", "crd/eventpersistershards.myelin.dev")
}

func (c *cluster) eventually(check func() string) {
	c.t.Helper()
	last := ""
	ok := func() bool { last = check(); return last == "" }
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(hang); !ok(); <-tick.C {
		require.True(c.t, time.Now().Before(deadline), "it never happened; last: %s", last)
	}
}

// operate runs the operator with the rights, and with the arguments, that its Deployment gives it.
func (c *cluster) operate(namespace string) {
	c.t.Helper()
	var deployment unstructured.Unstructured
	deployment.SetAPIVersion("apps/v1")
	deployment.SetKind("Deployment")
	require.NoError(c.t, c.client.Get(c.t.Context(), client.ObjectKey{Namespace: namespace, Name: "myelin-operator"}, &deployment))
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	require.NoError(c.t, err)
	arguments, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
	require.NoError(c.t, err)
	for i := range arguments {
		arguments[i] = strings.ReplaceAll(arguments[i], "$(POD_NAMESPACE)", namespace)
	}
	options, err := operator.Parse(arguments, c.t.Output())
	require.NoError(c.t, err)
	options.Namespace, options.LeaderNamespace = namespace, namespace
	options.MetricsAddr, options.ProbeAddr = "0", "0"
	account := rest.CopyConfig(c.config)
	account.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + namespace + ":myelin-operator",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- operator.Run(ctx, account, options) }()
	c.t.Cleanup(func() {
		cancel()
		require.NoError(c.t, <-ended)
	})
}

// sample applies the sample's objects and the Secrets that they name, for an operator in that namespace.
func (c *cluster) sample(namespace, operatorsNamespace string) {
	c.t.Helper()
	for name, key := range map[string]string{"myelin-postgres": "uri", "myelin-redis": "uri", "demo-registration": "shared-secret"} {
		require.NoError(c.t, c.client.Create(c.t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{key: []byte("x://y")},
		}))
	}
	text, err := os.ReadFile(filepath.Join(root, "config", "samples", "classic.yaml"))
	require.NoError(c.t, err)
	for _, o := range parse(c.t, []byte(strings.ReplaceAll(string(text), "namespace: myelin-system", "namespace: "+operatorsNamespace))) {
		o.SetNamespace(namespace)
		require.NoError(c.t, c.client.Create(c.t.Context(), o), o.GetName())
	}
}

// migrating waits until the operator has read the Secrets, has started the migration and says so.
func (c *cluster) migrating(namespace string) {
	c.t.Helper()
	c.eventually(func() string {
		var hs v1alpha1.Homeserver
		if err := c.client.Get(c.t.Context(), client.ObjectKey{Namespace: namespace, Name: "demo"}, &hs); err != nil {
			return err.Error()
		}
		var jobs batchv1.JobList
		if err := c.client.List(c.t.Context(), &jobs, client.InNamespace(namespace)); err != nil {
			return err.Error()
		}
		var shards v1alpha1.EventPersisterShardList
		if err := c.client.List(c.t.Context(), &shards, client.InNamespace(namespace)); err != nil {
			return err.Error()
		}
		secrets := meta.FindStatusCondition(hs.Status.Conditions, v1alpha1.ConditionSecretsReady)
		database := meta.FindStatusCondition(hs.Status.Conditions, v1alpha1.ConditionDatabaseReady)
		switch {
		case secrets == nil || secrets.Status != metav1.ConditionTrue:
			return "the Secrets are not read"
		case len(jobs.Items) != 1:
			return "there is no Job"
		case database == nil || database.Reason != v1alpha1.ReasonMigrationRunning:
			return "nothing is said of the Job"
		case len(shards.Items) != 64:
			return "there are not all shards"
		}
		return ""
	})
}

// What Helm installs for all namespaces is enough for the operator to do its work, with the sample's Role for Secrets; the
// CRDs are upgraded with the release, and stay with all that there is of them when it goes.
func TestInstalledByHelmForTheWholeCluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.namespace("myelin-system")
	c.namespace("chat")
	chart := filepath.Join(root, "charts", "myelin")
	c.helm("install", "myelin", chart, "--namespace", "myelin-system")
	c.established()
	c.sample("chat", "myelin-system")
	c.operate("myelin-system")
	c.migrating("chat")

	var crd unstructured.Unstructured
	crd.SetAPIVersion("apiextensions.k8s.io/v1")
	crd.SetKind("CustomResourceDefinition")
	key := client.ObjectKey{Name: "homeservers.myelin.dev"}
	require.NoError(t, c.client.Get(t.Context(), key, &crd))
	generation := crd.GetGeneration()
	changed := filepath.Join(t.TempDir(), "myelin")
	require.NoError(t, os.CopyFS(changed, os.DirFS(chart)))
	file := filepath.Join(changed, "files", "crds", "myelin.dev_homeservers.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), "- hs\n", "- hs\n    - homesrv\n", 1)), 0o600))
	c.helm("upgrade", "myelin", changed, "--namespace", "myelin-system", "--reset-then-reuse-values")
	require.NoError(t, c.client.Get(t.Context(), key, &crd))
	require.Greater(t, crd.GetGeneration(), generation, "the CRD is upgraded")

	c.helm("uninstall", "myelin", "--namespace", "myelin-system")
	var hs v1alpha1.Homeserver
	require.NoError(t, c.client.Get(t.Context(), client.ObjectKey{Namespace: "chat", Name: "demo"}, &hs))
	var role rbacv1.ClusterRole
	require.True(t, apierrors.IsNotFound(c.client.Get(t.Context(), client.ObjectKey{Name: "myelin-operator"}, &role)))
}

// In a namespace of its own the operator needs no ClusterRole at all.
func TestInstalledByKustomizeForOneNamespace(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	c.kubectl("apply", "--server-side", "-k", filepath.Join("config", "namespaced"))
	c.established()
	var bindings rbacv1.ClusterRoleBindingList
	require.NoError(t, c.client.List(t.Context(), &bindings))
	for _, b := range bindings.Items {
		require.NotContains(t, b.Name, "myelin")
	}
	c.sample("myelin", "myelin")
	c.operate("myelin")
	c.migrating("myelin")
}
