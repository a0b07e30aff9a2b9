package main

import (
	"context"
	"fmt"
	"time"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/e2e/scaling"
	"github.com/myelin-hs/myelin/test/figures"
)

// unknown is for how long nobody knows the lag: longer than what an idle pool is left at its size for.
const unknown = 2 * short

// lagUnknown takes away Postgres, and then all workers, from a pool that would shrink if its lag were 0: it stays as it is,
// a condition says why, and once the lag is known again the pool does shrink.
func (t *tour) lagUnknown(ctx context.Context, _ *load.Load) ([]figures.Row, error) {
	changes := 0
	for _, missing := range []struct {
		name       string
		take, give func(context.Context) error
	}{
		{"Postgres", func(ctx context.Context) error { return t.kube.Database(ctx, "stop", "postgres") },
			func(ctx context.Context) error { return t.kube.Database(ctx, "start", "postgres") }},
		{"the data plane", t.stopWorkers, t.startWorkers},
	} {
		n, err := t.unknownWithout(ctx, missing.name, missing.take, missing.give)
		changes += n
		if err != nil {
			return nil, fmt.Errorf("without %s: %w", missing.name, err)
		}
	}
	return []figures.Row{figures.AtMost("unknown.scalings", "changes", float64(changes), 0)}, nil
}

// unknownWithout counts how often the pool changed its size while that was away.
func (t *tour) unknownWithout(ctx context.Context, name string, take, give func(context.Context) error) (int, error) {
	r := t.scale.recorder
	if err := t.follow(ctx, 3, short); err != nil {
		return 0, err
	}
	if err := r.steady(ctx, 3, 20*time.Second, 3*time.Minute); err != nil {
		return 0, err
	}
	taken := take(ctx)
	t.say("%s is away", name)
	away := time.Now()
	told := taken
	if told == nil {
		told = t.lagIsUnknown(ctx, 90*time.Second)
	}
	if told == nil {
		told = t.mayShrink(ctx)
	}
	if told == nil {
		told = t.watched(ctx, unknown)
	}
	changes := scaling.Changes(r.since(away))
	if err := give(context.WithoutCancel(ctx)); err != nil {
		return changes, err
	}
	t.say("%s is back; the pool changed its size %d times meanwhile", name, changes)
	if told != nil {
		return changes, told
	}
	if err := t.condition(ctx, "Ready", "True", "", 5*time.Minute); err != nil {
		return changes, err
	}
	return changes, r.steady(ctx, 1, 10*time.Second, 5*time.Minute)
}

// mayShrink lets the autoscaler make the pool smaller from now on. It is told itself, too: the operator leaves it alone while the
// homeserver is paused.
func (t *tour) mayShrink(ctx context.Context) error {
	if err := t.follow(ctx, 1, short); err != nil {
		return err
	}
	_, err := t.kube.Do(ctx, "patch", "horizontalpodautoscaler", t.pool("persister"), "--type=merge", "-p", `{"spec":{"minReplicas":1}}`)
	return err
}

// lagIsUnknown waits until the pool's condition says so.
func (t *tour) lagIsUnknown(ctx context.Context, limit time.Duration) error {
	return until(ctx, limit, "a condition that calls the lag unknown", func() (bool, string, error) {
		c := t.scale.recorder.size().Conditions[v1alpha1.ConditionAutoscaling]
		if c.Status == "False" && c.Reason == v1alpha1.ReasonLagUnknown {
			t.say("the pool's status: Autoscaling=%s, %s: %s", c.Status, c.Reason, c.Message)
			return true, "", nil
		}
		return false, fmt.Sprintf("Autoscaling=%s, %s: %s", c.Status, c.Reason, c.Message), nil
	})
}

// stopWorkers takes all workers away as somebody would by mistake: the homeserver is paused, so that the operator lets it be.
func (t *tour) stopWorkers(ctx context.Context) error {
	if _, err := t.kube.Do(ctx, "annotate", "homeserver", t.kube.Homeserver, "myelin.dev/paused=true", "--overwrite"); err != nil {
		return err
	}
	_, err := t.kube.Do(ctx, "scale", "deployment", "-l", "myelin.dev/homeserver="+t.kube.Homeserver, "--replicas=0")
	return err
}

func (t *tour) startWorkers(ctx context.Context) error {
	if _, err := t.kube.Do(ctx, "scale", "deployment", "-l", "myelin.dev/homeserver="+t.kube.Homeserver, "--replicas=1"); err != nil {
		return err
	}
	_, err := t.kube.Do(ctx, "annotate", "homeserver", t.kube.Homeserver, "myelin.dev/paused-")
	return err
}
