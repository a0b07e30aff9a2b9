package plugin

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// realServer is a kube-apiserver with a Homeserver demo in the namespace chat and one pod of it, which no kubelet runs.
// jane may do what docs/security.md says an administrator of the homeserver needs.
func realServer(t *testing.T) (jane string) {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		require.Empty(t, os.Getenv("CI"), "KUBEBUILDER_ASSETS is not set: it names the directory with kube-apiserver and etcd, see hack/cluster")
		t.Skip("KUBEBUILDER_ASSETS is not set: it names the directory with kube-apiserver and etcd, see hack/cluster")
	}
	env := &envtest.Environment{CRDDirectoryPaths: []string{"../../../config/crd/bases"}, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: 5 * time.Minute, ControlPlaneStopTimeout: 5 * time.Minute}
	env.ControlPlane.Etcd = &envtest.Etcd{}
	env.ControlPlane.Etcd.Configure().Append("unsafe-no-fsync", "true")
	config, err := env.Start()
	t.Cleanup(func() { require.NoError(t, env.Stop()) })
	require.NoError(t, err)
	core, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	dyn, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	ctx, named := t.Context(), func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: "chat"} }
	_, err = core.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "chat"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = core.CoreV1().Secrets("chat").Create(ctx, &corev1.Secret{ObjectMeta: named("demo-internal"),
		StringData: map[string]string{"credential": leakCredential}}, metav1.CreateOptions{})
	require.NoError(t, err)
	off := false
	worker := &corev1.Pod{ObjectMeta: named("demo-p-0"), Spec: corev1.PodSpec{AutomountServiceAccountToken: &off,
		Containers: []corev1.Container{{Name: "worker", Image: "myelin", Env: []corev1.EnvVar{{Name: "X", Value: leakEnv}}}}}}
	worker.Labels = map[string]string{v1alpha1.LabelHomeserver: "demo", "app.kubernetes.io/component": "worker"}
	_, err = core.CoreV1().ServiceAccounts("chat").Create(ctx, &corev1.ServiceAccount{ObjectMeta: named("default")}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = core.CoreV1().Pods("chat").Create(ctx, worker, metav1.CreateOptions{})
	require.NoError(t, err)
	hs := &unstructured.Unstructured{Object: object{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "Homeserver", "metadata": object{"name": "demo"},
		"spec": object{"serverName": "example.org", "postgres": object{"secretRef": object{"name": "db"}}, "redis": object{"secretRef": object{"name": "redis"}}},
	}}
	_, err = dyn.Resource(v1alpha1.GroupVersion.WithResource("homeservers")).Namespace("chat").Create(ctx, hs, metav1.CreateOptions{})
	require.NoError(t, err)
	role := documentedRole(t)
	_, err = core.RbacV1().Roles("chat").Create(ctx, role, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = core.RbacV1().RoleBindings("chat").Create(ctx, &rbacv1.RoleBinding{ObjectMeta: named("administrator"),
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: "jane", APIGroup: rbacv1.GroupName}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	user, err := env.AddUser(envtest.User{Name: "jane"}, nil)
	require.NoError(t, err)
	kubeconfig, err := user.KubeConfig()
	require.NoError(t, err)
	jane = filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(jane, kubeconfig, 0o600))
	return jane
}

// documentedRole is the one that docs/security.md recommends.
func documentedRole(t *testing.T) *rbacv1.Role {
	t.Helper()
	text, err := os.ReadFile("../../../docs/security.md")
	require.NoError(t, err)
	for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		var role rbacv1.Role
		require.NoError(t, yaml.Unmarshal([]byte(block), &role))
		if role.Kind == "Role" {
			return &role
		}
	}
	require.Fail(t, "docs/security.md has no Role")
	return nil
}

// The commands on a real API server, by a user who may do no more than the document says that they need. No pod runs there.
func TestCommandsNeedNoMoreThanTheDocumentSays(t *testing.T) {
	t.Parallel()
	jane := realServer(t)
	main := func(args ...string) (code int, out, errs string) {
		var o, e bytes.Buffer
		code = Main(t.Context(), append(args, "--kubeconfig", jane, "-n", "chat"), &o, &e)
		return code, o.String(), e.String()
	}
	code, _, errs := main("status")
	require.Equal(t, exitUnreachable, code, errs)
	require.Contains(t, errs, "the Homeserver demo has no ready worker", "all before that was allowed")
	code, _, errs = main("status", "--homeserver", "nobody")
	require.Equal(t, exitUnreachable, code)
	require.Contains(t, errs, `there is no Homeserver "nobody"`)
	code, _, errs = main("logs")
	require.Zero(t, code, errs)

	k, err := open(t.Context(), target{kubeconfig: jane, namespace: "chat"})
	require.NoError(t, err)
	code, out, errs, files := report(t, k, func(ctx context.Context, where target) (api, func(), error) {
		where.kubeconfig, where.namespace = jane, "chat"
		return connect(ctx, where)
	})
	require.Zero(t, code, errs)
	require.Contains(t, files["resources/homeservers.yaml"], "serverName: example.org")
	require.Contains(t, files["resources/pods.yaml"], "demo-p-0")
	for file, content := range files {
		require.NotContains(t, strings.ToLower(content), "leak", file)
	}
	for _, missing := range []string{"the workers' status: the Homeserver demo has no ready worker", "deployments: ", "events: ", "the operator's log: "} {
		require.Contains(t, out, "missing: "+missing)
	}
}
