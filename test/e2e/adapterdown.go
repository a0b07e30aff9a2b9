package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/e2e/scaling"
	"github.com/myelin-hs/myelin/test/figures"
)

// externalAPI is what the adapter serves.
const externalAPI = "/apis/external.metrics.k8s.io/v1beta1"

// adapterDown takes the adapter away under a load for which the pool would grow: every other API is found and answers, the
// pool stays as it is, and grows once the adapter is back.
func (t *tour) adapterDown(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	r := t.scale.recorder
	adapters, err := t.kube.Adapters(ctx)
	if err != nil {
		return nil, err
	}
	var missed, changes int
	err = t.kube.AdapterReplicas(ctx, 0)
	stop := func() {}
	defer func() { stop() }()
	if err == nil {
		t.say("the adapter is at 0 replicas")
		start := time.Now()
		stop = t.more(ctx, l, baseLoad, stepLoad)
		if missed, err = t.otherAPIs(ctx); err == nil {
			err = t.watched(ctx, 60*time.Second)
		}
		changes = scaling.Changes(r.since(start))
	}
	if err := errors.Join(err, t.kube.AdapterReplicas(context.WithoutCancel(ctx), adapters)); err != nil {
		return nil, err
	}
	t.say("the adapter is back; the pool changed its size %d times meanwhile", changes)
	rows := []figures.Row{
		figures.AtMost("adapter_down.scalings", "changes", float64(changes), 0),
		figures.AtMost("adapter_down.discovery_failed", "requests", float64(missed), 0),
	}
	return rows, until(ctx, 3*time.Minute, "the pool to grow again", func() (bool, string, error) {
		n := r.size().Wanted
		return n > 1, fmt.Sprintf("%d wanted", n), nil
	})
}

// otherAPIs counts what does not answer although the adapter does not serve it. That the adapter's own API is down is
// waited for first.
func (t *tour) otherAPIs(ctx context.Context) (missed int, err error) {
	err = until(ctx, time.Minute, externalAPI+" to be unavailable", func() (bool, string, error) {
		_, err := t.kube.Do(ctx, "get", "--raw", externalAPI)
		return err != nil, "it answers", nil
	})
	if err != nil {
		return 0, err
	}
	for _, args := range [][]string{
		{"get", "workerpools,homeservers,pods,deployments.apps,horizontalpodautoscalers.autoscaling"},
		{"get", "--raw", "/apis/myelin.dev/v1alpha1"},
		{"get", "--raw", "/apis/metrics.k8s.io/v1beta1"},
		{"get", "--raw", "/openapi/v2"},
		{"api-resources", "--api-group=apps", "--cached=false"},
		{"api-resources", "--api-group=myelin.dev", "--cached=false"},
	} {
		if _, err := t.kube.Do(ctx, args...); err != nil {
			t.say("kubectl %v: %v", args, err)
			missed++
		}
	}
	return missed, nil
}
