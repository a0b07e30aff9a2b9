package adapter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	external "k8s.io/metrics/pkg/client/external_metrics"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/cmd/metrics-adapter/adapter"
	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/lag"
)

const (
	namespace = "myelin-system"
	name      = "myelin-metrics-adapter"
	api       = "/apis/external.metrics.k8s.io/v1beta1"
)

// installed makes what config/default has for the adapter, but its pods: those are this process, at that port. Names are
// resolved by nobody here, so the Service leads to this machine.
func installed(t *testing.T, port int32) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.CopyFS(config, os.DirFS(filepath.Join("..", "..", "..", "config"))))
	file := filepath.Join(config, "default", "kustomization.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	changed := strings.NewReplacer("#components:", "components:", "#- ../components/metrics-adapter\n", "- ../components/metrics-adapter\n").Replace(string(text))
	require.NoError(t, os.WriteFile(file, []byte(changed), 0o600))
	rendered, err := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), "kustomize", filepath.Dir(file)).Output()
	require.NoError(t, err)

	made := 0
	for document := range bytes.SplitSeq(rendered, []byte("\n---\n")) {
		var meta metav1.PartialObjectMetadata
		require.NoError(t, yaml.Unmarshal(document, &meta))
		var o client.Object
		switch meta.Kind {
		case "ClusterRole":
			o = &rbacv1.ClusterRole{}
		case "ClusterRoleBinding":
			o = &rbacv1.ClusterRoleBinding{}
		case "Role":
			o = &rbacv1.Role{}
		case "RoleBinding":
			o = &rbacv1.RoleBinding{}
		case "APIService":
			o = &apiregistration.APIService{}
		}
		if o == nil || !strings.HasPrefix(meta.Name, name) && meta.Kind != "APIService" {
			continue
		}
		require.NoError(t, yaml.UnmarshalStrict(document, o))
		if s, ok := o.(*apiregistration.APIService); ok {
			require.Equal(t, &apiregistration.ServiceReference{Namespace: namespace, Name: name, Port: s.Spec.Service.Port}, s.Spec.Service)
			s.Spec.Service.Port = &port
		}
		create(t, o)
		made++
	}
	require.Equal(t, 6, made, "two roles, three bindings and the APIService")
	create(t, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	})
}

func create(t *testing.T, o client.Object) {
	t.Helper()
	require.NoError(t, cluster.Create(t.Context(), o))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), hang)
		defer cancel()
		require.NoError(t, client.IgnoreNotFound(cluster.Delete(ctx, o)))
	})
}

// homeserver makes one with a pool, in a namespace of its own, whose name it gives.
func homeserver(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "chat-"}}
	create(t, ns)
	target := int32(250)
	create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "demo-internal"}, Data: map[string][]byte{"credential": []byte("secret")}})
	create(t, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "demo-lag"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"demo-internal"}, Verbs: []string{"get"}}},
	})
	create(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "demo-lag"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "demo-lag"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}},
	})
	create(t, &v1alpha1.Homeserver{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "demo"},
		Spec: v1alpha1.HomeserverSpec{
			ServerName: "demo.example", Postgres: v1alpha1.Postgres{SecretRef: &v1alpha1.URISecretRef{Name: "p"}},
			Redis: v1alpha1.Redis{SecretRef: &v1alpha1.URISecretRef{Name: "r"}},
		},
	})
	create(t, &v1alpha1.WorkerPool{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "persisters"},
		Spec: v1alpha1.WorkerPoolSpec{
			HomeserverRef: v1alpha1.LocalReference{Name: "demo"}, Roles: []v1alpha1.Role{v1alpha1.RolePersister},
			Autoscaling: &v1alpha1.Autoscaling{MaxReplicas: 4, LagTargetMilliseconds: &target},
		},
	})
	return ns.Name
}

// workers is what those of the one homeserver tell.
type workers struct {
	mu  sync.Mutex
	err error
}

func (w *workers) ask(context.Context, types.NamespacedName, string) (admin.Status, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return admin.Status{Workers: []admin.Worker{{
		Pod: "a", Pool: "persisters", State: admin.StateLive, AgeMS: time.Hour.Milliseconds(), ExpiresInMS: 1000,
		Lag: lag.Reading{lag.Persister: lag.Sharded([]time.Duration{200 * time.Millisecond})},
	}}}, w.err
}

func (w *workers) set(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

// account is a user's way to the API server, and the same as a file.
func account(t *testing.T, user string) (*rest.Config, string) {
	t.Helper()
	u, err := environment.AddUser(envtest.User{Name: user, Groups: []string{"system:authenticated"}}, nil)
	require.NoError(t, err)
	text, err := u.KubeConfig()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return u.Config(), file
}

// replica runs an adapter with the rights of its ServiceAccount until the test ends, or stop is called.
func replica(t *testing.T, addr string, w *workers) (address string, stop func()) {
	t.Helper()
	_, kubeconfig := account(t, "system:serviceaccount:"+namespace+":"+name)
	o, err := adapter.Parse([]string{"--metrics-api-addr=" + addr, "--keda-addr=127.0.0.1:0", "--metrics-addr=0", "--probe-addr=0"}, t.Output())
	require.NoError(t, err)
	listening := make(chan string, 1)
	o.Namespace, o.Kubeconfig, o.Ask = namespace, kubeconfig, w.ask
	o.Listening = func(api, _ string) { listening <- api }
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- adapter.Run(ctx, o, slog.New(slog.DiscardHandler)) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	select {
	case address = <-listening:
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return address, stop
}

// freePort is one that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// get asks the API server, which passes it on. An error has what was answered.
func get(ctx context.Context, t *testing.T, config *rest.Config, path string) ([]byte, error) {
	t.Helper()
	c, err := discovery.NewDiscoveryClientForConfig(config)
	require.NoError(t, err)
	text, err := c.RESTClient().Get().RequestURI(path).Do(ctx).Raw()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return text, nil
}

// autoscaler asks as the controller of HorizontalPodAutoscalers does.
func autoscaler(t *testing.T, namespace, metric string, selector labels.Set) (*v1beta1.ExternalMetricValueList, error) {
	t.Helper()
	c, err := external.NewForConfig(clusterConfig)
	require.NoError(t, err)
	return c.NamespacedMetrics(namespace).List(metric, selector.AsSelector())
}

func TestTheAPIServerPassesQuestionsOn(t *testing.T) {
	create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	port := freePort(t)
	installed(t, int32(port))
	chat, w := homeserver(t), &workers{}
	_, stop := replica(t, "127.0.0.1:"+strconv.Itoa(port), w)
	second, _ := replica(t, "127.0.0.1:0", w) // another replica changes nothing
	pool := labels.Set{v1alpha1.LabelHomeserver: "demo", v1alpha1.LabelPool: "persisters"}
	path := api + "/namespaces/" + chat + "/myelin_lag_milliseconds?labelSelector=" + url.QueryEscape(pool.String())

	eventually(t.Context(), t, func(ctx context.Context) string {
		if _, err := get(ctx, t, clusterConfig, api); err != nil {
			return err.Error()
		}
		return ""
	})
	list, err := autoscaler(t, chat, "myelin_lag_milliseconds", pool)
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	require.Equal(t, "200", list.Items[0].Value.String())
	require.False(t, list.Items[0].Timestamp.IsZero())

	t.Run("discovery names the metric", func(t *testing.T) {
		text, err := get(t.Context(), t, clusterConfig, api)
		require.NoError(t, err)
		require.Contains(t, string(text), `"name":"myelin_lag_milliseconds"`)
	})
	t.Run("refusals arrive in words", func(t *testing.T) {
		_, err := autoscaler(t, chat, "myelin_lag", pool)
		require.True(t, apierrors.IsNotFound(err))
		require.ErrorContains(t, err, `there is no metric "myelin_lag", only myelin_lag_milliseconds`)
		_, err = autoscaler(t, chat, "myelin_lag_milliseconds", nil)
		require.True(t, apierrors.IsBadRequest(err))
		require.ErrorContains(t, err, "does not say which myelin.dev/homeserver")
	})
	t.Run("who may not read the metric is refused", func(t *testing.T) {
		config, _ := account(t, "nobody")
		_, err := get(t.Context(), t, config, path)
		require.True(t, apierrors.IsForbidden(err), "%v", err)
		create(t, &rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Namespace: chat, Name: "metrics"},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"external.metrics.k8s.io"}, Resources: []string{"myelin_lag_milliseconds"}, Verbs: []string{"list"}}},
		})
		create(t, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: chat, Name: "metrics"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "metrics"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "nobody"}},
		})
		eventually(t.Context(), t, func(ctx context.Context) string {
			if _, err := get(ctx, t, config, path); err != nil {
				return err.Error()
			}
			return ""
		})
	})
	t.Run("who comes past the API server has to show who it is", func(t *testing.T) {
		var s apiregistration.APIService
		require.NoError(t, cluster.Get(t.Context(), client.ObjectKey{Name: "v1beta1.external.metrics.k8s.io"}, &s))
		c := rest.Config{Host: "https://" + second, TLSClientConfig: rest.TLSClientConfig{CAData: s.Spec.CABundle, ServerName: name + "." + namespace + ".svc"}}
		_, err := get(t.Context(), t, &c, path)
		require.True(t, apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err), "%v", err)
		// Nor does it help to claim that one is the API server.
		c.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.Header.Set("X-Remote-User", "system:admin")
				r.Header.Set("X-Remote-Group", "system:masters")
				return next.RoundTrip(r)
			})
		})
		_, err = get(t.Context(), t, &c, path)
		require.True(t, apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err), "%v", err)
	})
	t.Run("a lag that is not known is 503 with the reason", func(t *testing.T) {
		w.set(errors.New("connection refused"))
		eventually(t.Context(), t, func(context.Context) string { // an answer is shared for a second
			_, err := autoscaler(t, chat, "myelin_lag_milliseconds", pool)
			if !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "the lag is not known") || !strings.Contains(err.Error(), "connection refused") {
				return fmt.Sprint(err)
			}
			return ""
		})
	})
	t.Run("without an adapter all other APIs are there", func(t *testing.T) {
		stop()
		eventually(t.Context(), t, func(ctx context.Context) string {
			if _, err := get(ctx, t, clusterConfig, path); err == nil {
				return "it is still answered"
			}
			return ""
		})
		c, err := discovery.NewDiscoveryClientForConfig(clusterConfig)
		require.NoError(t, err)
		_, resources, err := c.ServerGroupsAndResources()
		if err != nil {
			failed, ok := discovery.GroupDiscoveryFailedErrorGroups(err)
			require.True(t, ok, "%v", err)
			require.Len(t, failed, 1)
		}
		groups := map[string]bool{}
		for _, r := range resources {
			groups[r.GroupVersion] = true
		}
		for _, want := range []string{"v1", "apps/v1", "myelin.dev/v1alpha1", "autoscaling/v2"} {
			require.True(t, groups[want], want)
		}
		var pools v1alpha1.WorkerPoolList
		require.NoError(t, cluster.List(t.Context(), &pools))
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
