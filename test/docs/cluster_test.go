package docs_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// An api is a real API server, with what a small homeserver has in it, and a kubectl that asks it.
type api struct {
	env        *envtest.Environment
	kubeconfig string
}

var (
	once    sync.Once
	server  *api
	serving error
)

func TestMain(m *testing.M) {
	code := m.Run()
	if server != nil {
		if err := server.env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the API server:", err)
		}
		_ = os.RemoveAll(filepath.Dir(server.kubeconfig))
	}
	os.Exit(code)
}

// apiServer starts the one of all tests here.
func apiServer(t *testing.T) *api {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		if os.Getenv("CI") != "" {
			require.Fail(t, "KUBEBUILDER_ASSETS is not set: it names the directory with kube-apiserver, etcd and kubectl, see hack/cluster")
		}
		t.Skip("KUBEBUILDER_ASSETS is not set: it names the directory with kube-apiserver, etcd and kubectl, see hack/cluster")
	}
	once.Do(func() { server, serving = start(t) })
	require.NoError(t, serving)
	return server
}

func start(t *testing.T) (*api, error) {
	env := &envtest.Environment{ControlPlaneStartTimeout: 5 * time.Minute, ControlPlaneStopTimeout: 5 * time.Minute}
	env.ControlPlane.Etcd = &envtest.Etcd{}
	env.ControlPlane.Etcd.Configure().Append("unsafe-no-fsync", "true")
	if _, err := env.Start(); err != nil {
		return nil, err
	}
	user, err := env.AddUser(envtest.User{Name: "reader", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return nil, err
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "myelin-docs-")
	if err != nil {
		return nil, err
	}
	a := &api{env: env, kubeconfig: filepath.Join(dir, "kubeconfig")}
	if err := os.WriteFile(a.kubeconfig, kubeconfig, 0o600); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"apply", "--server-side", "-k", "config/default"},
		{"wait", "--for=condition=Established", "crd", "--all", "--timeout=5m"},
		{"create", "namespace", "myelin"},
		{"apply", "-n", "myelin", "-f", "config/samples/classic.yaml"},
		{"apply", "-f", "test/docs/testdata/running.yaml"},
	} {
		if out, err := a.kubectl(t, "", args...); err != nil {
			return nil, fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return a, nil
}

// kubectl runs in the project's root, as a reader would. Its cache is its own.
func (a *api) kubectl(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), args...)
	cmd.Dir = root
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(a.kubeconfig), "KUBECONFIG=" + a.kubeconfig}
	cmd.Stdin = strings.NewReader(input)
	cmd.WaitDelay = time.Minute
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// Resources in the documents are accepted as they are written.
func TestResourcesInDocumentsAreAccepted(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, f := range fences(t) {
		if f.language != "yaml" || !strings.Contains(f.text, "apiVersion:") {
			continue
		}
		tried++
		t.Run(f.String(), func(t *testing.T) {
			out, err := apiServer(t).kubectl(t, f.text, "apply", "-n", "default", "--dry-run=server", "-f", "-")
			require.NoError(t, err, out)
		})
	}
	require.Positive(t, tried)
}
