package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/test/figures"
)

// Scale is how large a fleet is measured.
type Scale struct {
	Homeservers, Pods int
	Watch             time.Duration
}

// measure lets an operator make everything, then has another, which remembers nothing, find that there is nothing to do.
func (s Scale) measure(ctx context.Context, f *Fleet) ([]figures.Row, error) {
	start := time.Now()
	say := func(format string, args ...any) {
		fmt.Printf("[%6.1fs] %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
	for i := range s.Homeservers {
		if err := s.apply(ctx, f, fmt.Sprintf("tenant-%03d", i)); err != nil {
			return nil, err
		}
	}
	say("applied %d Homeservers of %d pods each, in as many namespaces", s.Homeservers, s.Pods)
	o, err := f.Operate(ctx, "--leader-elect=false")
	if err != nil {
		return nil, err
	}
	m, err := f.Settled(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.complete(ctx, f); err != nil {
		return nil, err
	}
	_, most, err := o.memory()
	if err != nil {
		return nil, err
	}
	say("the operator has made everything, by %.0f writes and %.0f reads; it held at most %.0f MB", m.Writes(), m.Requests()-m.Writes(), most)
	if err := o.Stop(); err != nil {
		return nil, err
	}

	if o, err = f.Operate(ctx, "--leader-elect=false"); err != nil {
		return nil, err
	}
	if m, err = f.Settled(ctx, o); err != nil {
		return nil, err
	}
	_, second, err := o.memory()
	if err != nil {
		return nil, err
	}
	most = max(most, second)
	say("an operator that remembered nothing has looked at everything: %.0f writes, %.0f reads, %.0f errors", m.Writes(), m.Requests()-m.Writes(), m["controller_runtime_reconcile_errors_total"])
	rows := []figures.Row{
		figures.AtMost("scale.second_pass_writes", "writes", m.Writes(), 0),
		figures.AtMost("scale.reconcile_errors", "errors", m["controller_runtime_reconcile_errors_total"], 0),
	}
	if err := o.Stop(); err != nil {
		return rows, err
	}

	// As it is installed: it renews its Lease.
	if o, err = f.Operate(ctx); err != nil {
		return rows, err
	}
	before, err := f.Settled(ctx, o)
	if err != nil {
		return rows, err
	}
	say("counting the requests of the idle operator for %s", s.Watch)
	from := time.Now()
	select {
	case <-ctx.Done():
		return rows, ctx.Err()
	case <-time.After(s.Watch):
	}
	after, err := o.Metrics(ctx)
	if err != nil {
		return rows, err
	}
	rate := (after.Requests() - before.Requests()) / time.Since(from).Minutes()
	now, third, err := o.memory()
	if err != nil {
		return rows, err
	}
	most = max(most, third)
	say("%.0f requests a minute, of which renewing the Lease takes 30 or more; it holds %.0f MB", rate, now)
	rows = append(rows,
		figures.AtMost("idle.api_requests", "requests/min", rate/float64(s.Homeservers), 2),
		figures.AtMost("scale.operator_rss", "MB", most, 150),
	)
	return rows, o.Stop()
}

// apply makes a Homeserver in a namespace of its own, with its pools.
func (s Scale) apply(ctx context.Context, f *Fleet, name string) error {
	persisters := int32(s.Pods-3+1) / 2
	pool := func(role v1alpha1.Role, replicas int32) *v1alpha1.WorkerPool {
		return &v1alpha1.WorkerPool{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: name + "-" + string(role)},
			Spec:       v1alpha1.WorkerPoolSpec{HomeserverRef: v1alpha1.LocalReference{Name: name}, Roles: []v1alpha1.Role{role}, Replicas: &replicas},
		}
	}
	uri := func(secret, value string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: secret}, StringData: map[string]string{"uri": value}}
	}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		uri("db", "postgres://myelin@db.example/"+name), uri("cache", "redis://cache.example/0"),
		&v1alpha1.Homeserver{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: name},
			Spec: v1alpha1.HomeserverSpec{
				ServerName: name + ".example.org",
				Postgres:   v1alpha1.Postgres{SecretRef: &v1alpha1.URISecretRef{Name: "db"}},
				Redis:      v1alpha1.Redis{SecretRef: &v1alpha1.URISecretRef{Name: "cache"}},
			},
		},
		pool(v1alpha1.RoleGateway, 1), pool(v1alpha1.RoleClient, 1),
		pool(v1alpha1.RolePersister, persisters), pool(v1alpha1.RoleSync, int32(s.Pods)-2-persisters),
	} {
		if err := f.API.Client.Create(ctx, o); err != nil {
			return fmt.Errorf("create %s: %w", o.GetName(), err)
		}
	}
	return nil
}

// complete says what is not as it was asked for.
func (s Scale) complete(ctx context.Context, f *Fleet) error {
	var hs v1alpha1.HomeserverList
	if err := f.API.Client.List(ctx, &hs); err != nil {
		return err
	}
	for _, h := range hs.Items {
		if h.Status.Workers == nil || h.Status.Workers.Ready != int32(s.Pods) || h.Status.Shards == nil || h.Status.Shards.Claimed != h.Spec.Shards {
			return fmt.Errorf("the Homeserver %s came to rest without all its workers and shards: %+v", h.Name, h.Status)
		}
	}
	var pods corev1.PodList
	if err := f.API.Client.List(ctx, &pods, client.MatchingLabels{"app.kubernetes.io/component": "worker"}); err != nil {
		return err
	}
	if want := s.Homeservers * s.Pods; len(pods.Items) != want {
		return fmt.Errorf("there are %d pods in place of %d", len(pods.Items), want)
	}
	return nil
}
