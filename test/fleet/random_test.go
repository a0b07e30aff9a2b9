package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/operator"
	"github.com/myelin-hs/myelin/pkg/service"
)

var (
	seed   = flag.Uint64("random.seed", 1, "seed of the random resources")
	rounds = flag.Int("random.rounds", 1, "how often the random resources are changed")
	spaces = flag.Int("random.namespaces", 3, "how many namespaces of random resources there are")
)

// asOperator makes this program the operator, so that it runs as a process of its own without being built.
const asOperator = "MYELIN_FLEET_OPERATOR"

func TestMain(m *testing.M) {
	if os.Getenv(asOperator) != "" {
		ctx, release := service.Signals(context.Background())
		err := operator.Main(ctx, os.Args[1:], os.Stderr)
		release()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	os.Exit(m.Run())
}

func newFleet(t *testing.T) *Fleet {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" && os.Getenv("CI") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: it names the folder with kube-apiserver and etcd, see hack/cluster")
	}
	t.Setenv(asOperator, "1")
	f, err := NewFleet(t.Context(), "../..", t.TempDir(), []string{os.Args[0]})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Stop()) })
	return f
}

// settled waits until the operator has come to rest.
func settled(t *testing.T, f *Fleet, o *Operator) Metrics {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute) // ends a hang, and says nothing about speed
	defer cancel()
	m, err := f.Settled(ctx, o)
	require.NoError(t, err, "seed %d", *seed)
	return m
}

// Whatever resources the API server accepts: the operator never panics, comes to rest, and another that remembers nothing
// then writes nothing. -random.seed, -random.rounds and -random.namespaces make it another, longer or larger.
func TestRandomResources(t *testing.T) {
	f := newFleet(t)
	g := newGarden(t, f, rand.New(rand.NewPCG(*seed, 0)))
	g.plant()
	for round := range *rounds + 1 {
		o, err := f.Operate(t.Context(), "--leader-elect=false")
		require.NoError(t, err)
		m := settled(t, f, o)
		if round < *rounds {
			g.grow() // while it runs
			m = settled(t, f, o)
		}
		require.Zero(t, m["controller_runtime_reconcile_panics_total"], "seed %d, round %d", *seed, round)
		require.NoError(t, o.Stop())

		o, err = f.Operate(t.Context(), "--leader-elect=false")
		require.NoError(t, err)
		m = settled(t, f, o)
		require.Zero(t, m["controller_runtime_reconcile_panics_total"], "seed %d, round %d", *seed, round)
		require.Zero(t, m["controller_runtime_reconcile_errors_total"], "seed %d, round %d: see the operator's log", *seed, round)
		require.Zero(t, m.Writes(), "a second pass wrote something; seed %d, round %d", *seed, round)
		require.NoError(t, o.Stop())
		g.observed()
	}
	g.judge()
}

// garden is the random resources. Each is grown from a least one by mutations that the API server accepts.
type garden struct {
	t       *testing.T
	api     client.Client
	r       *rand.Rand
	schemas map[string]*Schema
	names   []string // namespaces
	tried   int
	took    int
}

func newGarden(t *testing.T, f *Fleet, r *rand.Rand) *garden {
	t.Helper()
	g := &garden{t: t, api: f.API.Client, r: r, schemas: map[string]*Schema{}}
	for kind, plural := range map[string]string{"Homeserver": "homeservers", "WorkerPool": "workerpools", "EventPersisterShard": "eventpersistershards"} {
		s, err := ReadSchema("../..", plural)
		require.NoError(t, err)
		g.schemas[kind] = s
	}
	return g
}

func (g *garden) plant() {
	for i := range *spaces {
		namespace := fmt.Sprintf("random-%d", i)
		g.names = append(g.names, namespace)
		require.NoError(g.t, g.api.Create(g.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
		for _, name := range []string{"db", "cache", "one"} {
			data := map[string]string{}
			for _, key := range []string{"uri", "username", "password", "a"} {
				data[key] = name + " " + key
			}
			require.NoError(g.t, g.api.Create(g.t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: data}))
		}
		for _, name := range []string{"one", "two"} {
			g.make(namespace, name, "Homeserver", map[string]any{
				"serverName": "example.org", "shards": int64(3),
				"postgres": map[string]any{"secretRef": map[string]any{"name": "db"}}, "redis": map[string]any{"secretRef": map[string]any{"name": "cache"}},
			})
		}
		for n, homeserver := range []string{"one", "one", "two", "nobody"} {
			role := string(pick(g.r, v1alpha1.RequiredRoles))
			g.make(namespace, fmt.Sprintf("pool-%d", n), "WorkerPool", map[string]any{
				"homeserverRef": map[string]any{"name": homeserver}, "roles": []any{role}, "replicas": int64(1 + n%2),
			})
		}
		for _, homeserver := range []string{"one", "three"} {
			shard := g.r.Int64N(100)
			g.make(namespace, fmt.Sprintf("%s-%02d", homeserver, shard), "EventPersisterShard", map[string]any{
				"homeserverRef": map[string]any{"name": homeserver}, "shard": shard,
			})
		}
	}
}

// make creates a resource, after a few mutations.
func (g *garden) make(namespace, name, kind string, spec map[string]any) {
	g.t.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(schema.GroupVersionKind{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Kind: kind})
	o.SetNamespace(namespace)
	o.SetName(name)
	g.mutate(o, func(o *unstructured.Unstructured) error { return g.api.Create(g.t.Context(), o, client.DryRunAll) })
	require.NoError(g.t, g.api.Create(g.t.Context(), o))
}

// mutate tries some mutations, each kept if the API server takes it.
func (g *garden) mutate(o *unstructured.Unstructured, try func(*unstructured.Unstructured) error) {
	g.t.Helper()
	s := g.schemas[o.GetKind()]
	for range 24 {
		changed := o.DeepCopy()
		path := s.Mutate(g.r, changed.Object["spec"].(map[string]any))
		spec := changed.DeepCopy().Object["spec"]
		g.tried++
		err := try(changed)
		if err == nil {
			g.took++
			s.seen[path]++
			o.Object["spec"] = spec
			continue
		}
		require.True(g.t, apierrors.IsInvalid(err) || apierrors.IsBadRequest(err), "%s of %s: %v", path, o.GetKind(), err)
	}
}

// grow mutates what is there, and deletes some of it.
func (g *garden) grow() {
	for _, namespace := range g.names {
		for _, kind := range []string{"Homeserver", "WorkerPool"} {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(schema.GroupVersionKind{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Kind: kind})
			require.NoError(g.t, g.api.List(g.t.Context(), list, client.InNamespace(namespace)))
			for i := range list.Items {
				o := &list.Items[i]
				if g.r.IntN(8) == 0 {
					require.NoError(g.t, g.api.Delete(g.t.Context(), o))
					continue
				}
				g.mutate(o, func(o *unstructured.Unstructured) error { return g.update(o, client.DryRunAll) })
				require.NoError(g.t, g.update(o))
			}
		}
	}
}

// update writes the spec, whatever was written to the status meanwhile.
func (g *garden) update(o *unstructured.Unstructured, options ...client.UpdateOption) error {
	spec := o.DeepCopy().Object["spec"]
	for {
		err := g.api.Update(g.t.Context(), o, options...)
		if !apierrors.IsConflict(err) {
			return err
		}
		if err := g.api.Get(g.t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		o.Object["spec"] = spec
	}
}

// observed requires that every status speaks of the present spec, and says whether the resource is ready.
func (g *garden) observed() {
	g.t.Helper()
	var homeservers v1alpha1.HomeserverList
	var pools v1alpha1.WorkerPoolList
	require.NoError(g.t, g.api.List(g.t.Context(), &homeservers))
	require.NoError(g.t, g.api.List(g.t.Context(), &pools))
	require.NotEmpty(g.t, homeservers.Items)
	for _, h := range homeservers.Items {
		require.Equal(g.t, h.Generation, h.Status.ObservedGeneration, "Homeserver %s/%s", h.Namespace, h.Name)
		require.NotEmpty(g.t, h.Status.Conditions)
	}
	for _, p := range pools.Items {
		require.Equal(g.t, p.Generation, p.Status.ObservedGeneration, "WorkerPool %s/%s", p.Namespace, p.Name)
		require.NotEmpty(g.t, p.Status.Conditions)
	}
}

// judge requires that the garden was one: most fields of each spec had some other value that was accepted.
func (g *garden) judge() {
	g.t.Logf("%d of %d mutations were valid", g.took, g.tried)
	for _, kind := range []string{"Homeserver", "WorkerPool"} {
		var never []string
		s := g.schemas[kind]
		for _, name := range sorted(s.spec.Properties) {
			tried := false
			for path := range s.seen {
				tried = tried || path == "."+name || len(path) > len(name)+1 && path[:len(name)+2] == "."+name+"."
			}
			if !tried {
				never = append(never, name)
			}
		}
		g.t.Logf("%s: fields that never had another value: %v", kind, never)
		require.Less(g.t, len(never), len(s.spec.Properties)/2, kind)
	}
}
