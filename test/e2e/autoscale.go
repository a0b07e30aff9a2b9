package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/figures"
)

// autoscale is how the persisters follow their load. They are given little CPU, so that they are what is short, and not
// the machine that everything shares.
type autoscale struct {
	cpu       string        // limit of a persister
	target    time.Duration // of the lag
	most      int           // replicas
	picture   string        // file; empty for none
	recorder  *recorder
	scenarios []scenario
}

// baseLoad is sent throughout, stepLoad while a pool is to grow; in messages a second.
const baseLoad, stepLoad = 40, 120

// short is how long a pool is left at its size here, but in the scenario step.
const short = 30 * time.Second

// scenario is something that a pool which follows its load meets.
type scenario struct {
	name string
	play func(*tour, context.Context, *load.Load) ([]figures.Row, error)
}

var scenarios = []scenario{
	{"step", (*tour).loadStep},
	{"long", (*tour).longLoad},
	{"unknown", (*tour).lagUnknown},
	{"stuck", (*tour).stuckShard},
	{"adapter-down", (*tour).adapterDown},
}

// autoscaleTable is what all of them measure.
var autoscaleTable = []figures.Row{
	figures.Unmeasured("step.failed", "requests", "0"),
	figures.Unmeasured("step.time_to_target", "s", "≤ 60"),
	figures.Unmeasured("step.direction_changes", "changes per step", "≤ 1"),
	figures.Unmeasured("unknown.scalings", "changes", "0"),
	figures.Unmeasured("long.failed", "requests", "0"),
	figures.Unmeasured("long.time_to_target", "s", "≤ 60"),
	figures.Unmeasured("long.direction_changes", "changes per step", "≤ 1"),
}

func scenarioNames() string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

func chooseScenarios(list string) ([]scenario, error) {
	if list == "all" {
		return scenarios, nil
	}
	var chosen []scenario
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("--autoscale: there is no %q; there are %s", name, scenarioNames())
		}
		chosen = append(chosen, scenarios[i])
	}
	return chosen, nil
}

// playAutoscale plays one scenario after the other, each from one persister.
func (t *tour) playAutoscale(ctx context.Context, l *load.Load) (rows []figures.Row, err error) {
	r := t.scale.recorder
	group, ctx := errgroup.WithContext(ctx)
	watching, stop := context.WithCancel(ctx)
	group.Go(func() error { return r.run(watching) })
	group.Go(func() error {
		defer stop()
		r.offer(baseLoad)
		for _, s := range t.scale.scenarios {
			if err := t.follow(ctx, 1, short); err != nil {
				return err
			}
			t.say("== %s: waiting until one persister has been enough for half a minute", s.name)
			if err := r.steady(ctx, 1, 30*time.Second, 5*time.Minute); err != nil {
				return err
			}
			measured, err := s.play(t, ctx, l)
			rows = append(rows, measured...)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		return nil
	})
	err = group.Wait()
	// What is left is a pool that is scaled by hand, as it was found.
	return rows, errors.Join(err, t.unfollow(context.WithoutCancel(ctx)))
}

// follow lets the pool follow its lag, between least and the most. It is left at its size for the window once it has too
// many workers; a pool that is large enough has next to no lag, so the window is how long it stays so under a load.
func (t *tour) follow(ctx context.Context, least int, window time.Duration) error {
	return t.followAlso(ctx, least, window, nil)
}

// followAlso is follow with a target for what the workers use of their CPU, in percent; nil: none.
func (t *tour) followAlso(ctx context.Context, least int, window time.Duration, utilization *int) error {
	return t.patchPool(ctx, map[string]any{"autoscaling": map[string]any{
		"minReplicas": least, "maxReplicas": t.scale.most, "lagTargetMilliseconds": t.scale.target.Milliseconds(),
		"cpuTargetUtilization": utilization,
		"behavior":             map[string]any{"scaleUp": rules(0, 2), "scaleDown": rules(window, 1)},
	}})
}

// rules let so many pods come or go in ten seconds, by what was wanted over the window.
func rules(window time.Duration, pods int) map[string]any {
	return map[string]any{
		"stabilizationWindowSeconds": int(window.Seconds()),
		"policies":                   []any{map[string]any{"type": "Pods", "value": pods, "periodSeconds": 10}},
	}
}

// unfollow switches that off: replicas stay as they are.
func (t *tour) unfollow(ctx context.Context) error {
	return t.patchPool(ctx, map[string]any{"autoscaling": nil})
}

// beginAutoscale limits the persisters, and starts with one of them. A run that was interrupted may have left the pool
// following its load.
func (t *tour) beginAutoscale(ctx context.Context) error {
	if err := t.unfollow(ctx); err != nil {
		return err
	}
	if err := t.limit(ctx, t.scale.cpu); err != nil {
		return err
	}
	return t.persisters(ctx, 1)
}

// limit gives the persisters so much CPU, and waits until none has another limit.
func (t *tour) limit(ctx context.Context, cpu string) error {
	limits := map[string]any{"requests": map[string]any{"cpu": cpu}, "limits": map[string]any{"cpu": cpu}}
	if err := t.patchPool(ctx, map[string]any{"resources": limits}); err != nil {
		return err
	}
	return until(ctx, 5*time.Minute, "persisters with a limit of "+cpu, func() (bool, string, error) {
		out, err := t.kube.Do(ctx, "get", "pods", "-l", "myelin.dev/pool="+t.pool("persister"), "-o", "jsonpath={.items[*].spec.containers[*].resources.limits.cpu}")
		limits := strings.Fields(string(out))
		others := slices.ContainsFunc(limits, func(l string) bool { return l != cpu })
		return err == nil && len(limits) > 0 && !others, fmt.Sprintf("they have %v", limits), err
	})
}

// limited plays with another limit of the persisters' CPU.
func (t *tour) limited(ctx context.Context, cpu string, play func() ([]figures.Row, error)) (rows []figures.Row, err error) {
	defer func() {
		if ctx.Err() == nil {
			err = errors.Join(err, t.limit(ctx, t.scale.cpu))
		}
	}()
	if err := t.limit(ctx, cpu); err != nil {
		return nil, err
	}
	return play()
}

func (t *tour) patchPool(ctx context.Context, spec map[string]any) error {
	patch, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		return err
	}
	_, err = t.kube.Do(ctx, "patch", "workerpool", t.pool("persister"), "--type=merge", "-p", string(patch))
	return err
}

// more raises the load from what it is, in messages a second, until the returned function is called, which waits for the last
// answer.
func (t *tour) more(ctx context.Context, l *load.Load, from, to float64) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = l.SendAt(ctx, to-from) }() // it fails by its messages alone
	offer := func(rate float64) {
		t.scale.recorder.offer(rate)
		t.say("the load is %.0f events/s", rate)
	}
	offer(to)
	return func() {
		cancel()
		<-done
		offer(from)
	}
}
