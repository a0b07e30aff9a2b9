package operator_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/myelin-hs/myelin/controllers/operator"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// The API server of all tests of this package: a real one, with its etcd. It has no controllers but ours.
var (
	cluster        client.Client // administrator
	operatorConfig *rest.Config  // a user who may do what config/rbac and config/components/all-secrets grant, and no more
	bareConfig     *rest.Config  // one who may do what config/rbac grants
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		if os.Getenv("CI") != "" {
			fmt.Fprintln(os.Stderr, "KUBEBUILDER_ASSETS is not set: it names the directory with kube-apiserver and etcd, see hack/cluster")
			return 1
		}
		fmt.Fprintln(os.Stderr, "SKIP: KUBEBUILDER_ASSETS is not set: it names the directory with kube-apiserver and etcd, see hack/cluster")
		return 0
	}
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	root := filepath.Join("..", "..", "config")
	env := &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join(root, "crd", "bases")},
		ErrorIfCRDPathMissing: true,
	}
	// 64 shards are hundreds of writes, one after the other; nothing here outlives the process, so none waits for the disk.
	env.ControlPlane.Etcd = &envtest.Etcd{}
	env.ControlPlane.Etcd.Configure().Append("unsafe-no-fsync", "true")
	defer func() { // also after a start that failed half-way
		if err := env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the API server:", err)
		}
	}()
	config, err := env.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the API server:", err)
		return 1
	}
	if err := prepare(env, config, root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// prepare makes the clients, and the operator's user with its role.
func prepare(env *envtest.Environment, config *rest.Config, root string) error {
	config.QPS, config.Burst = -1, 0
	scheme := operator.Scheme()
	if err := errors.Join(rbacv1.AddToScheme(scheme), eventsv1.AddToScheme(scheme)); err != nil {
		return err
	}
	var err error
	if cluster, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	user, err := env.AddUser(envtest.User{Name: "operator"}, nil)
	if err != nil {
		return err
	}
	operatorConfig = user.Config()
	if user, err = env.AddUser(envtest.User{Name: "operator-without-secrets"}, nil); err != nil {
		return err
	}
	bareConfig = user.Config()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for file, users := range map[string][]string{
		"rbac/role.yaml": {"operator", "operator-without-secrets"}, "components/all-secrets/role.yaml": {"operator"},
	} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return err
		}
		var role rbacv1.ClusterRole
		if err := yaml.UnmarshalStrict(text, &role); err != nil {
			return err
		}
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		}
		for _, name := range users {
			binding.Subjects = append(binding.Subjects, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name})
		}
		if err := errors.Join(cluster.Create(ctx, &role), cluster.Create(ctx, binding)); err != nil {
			return err
		}
	}
	return nil
}

// dataPlane is what workers would answer.
type dataPlane struct {
	mu     sync.Mutex
	status admin.Status
	err    error
	asked  []string // credentials
	drains []int64  // workers that were told to drain
	refuse error    // to drain
}

// drain makes the worker leave; it is for the test to say when it has left.
func (d *dataPlane) drain(_ context.Context, _ types.NamespacedName, _ string, worker int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse != nil {
		return d.refuse
	}
	d.drains = append(d.drains, worker)
	d.status.Workers = slices.Clone(d.status.Workers) // the operator may be reading what it was given
	for i := range d.status.Workers {
		if w := &d.status.Workers[i]; w.ID == worker && w.State == admin.StateLive {
			w.State = admin.StateLeaving
		}
	}
	return d.err
}

func (d *dataPlane) ask(_ context.Context, _ types.NamespacedName, credential string) (admin.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, credential)
	return d.status, d.err
}

func (d *dataPlane) set(change func(*dataPlane)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

// space is one test's namespace, and the operator that works in it.
type space struct {
	t    *testing.T
	name string
	data *dataPlane
	stop func()
}

func newSpace(t *testing.T) *space {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "test-",
		Labels:       map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	require.NoError(t, cluster.Create(t.Context(), ns))
	return &space{t: t, name: ns.Name, data: &dataPlane{}}
}

// start runs an operator until the test ends or stop is called.
func (s *space) start() { s.startAs(operatorConfig) }

func (s *space) startAs(user *rest.Config) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan error, 1)
	go func() {
		ended <- operator.Run(ctx, user, operator.Options{
			Namespaces: []string{s.name}, MetricsAddr: "0", ProbeAddr: "0", Ask: s.data.ask, Drain: s.data.drain,
		})
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("the operator ended with: %v", err)
		}
	})
	s.t.Cleanup(s.stop)
}

func (s *space) create(objects ...client.Object) {
	s.t.Helper()
	for _, o := range objects {
		o.SetNamespace(s.name)
		require.NoError(s.t, cluster.Create(s.t.Context(), o))
	}
}

func (s *space) get(name string, o client.Object) {
	s.t.Helper()
	require.NoError(s.t, cluster.Get(s.t.Context(), types.NamespacedName{Namespace: s.name, Name: name}, o))
}

// hang is when to stop waiting. It is no statement about speed: other packages' tests may have all of the machine.
const hang = 3 * time.Minute

// eventually waits until check says nothing; what it last said is the failure.
func (s *space) eventually(check func() string) {
	s.t.Helper()
	last := ""
	ok := func() bool { last = check(); return last == "" }
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(hang); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			s.t.Fatalf("it never happened; last: %s", last)
		}
	}
}

func (s *space) secret(name, uri string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.name},
		Data:       map[string][]byte{"uri": []byte(uri)},
	}
}

func describe(conditions []metav1.Condition) string {
	var text []string
	for _, c := range conditions {
		text = append(text, fmt.Sprintf("%s=%s(%s: %s)", c.Type, c.Status, c.Reason, c.Message))
	}
	return strings.Join(text, "\n")
}
