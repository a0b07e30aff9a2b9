package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/test/e2e/kube"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/figures"
)

// killPersisters kills one persister after another, each time with at least two others live, and measures how long the
// dead worker's rooms refuse writes. One of the kills happens while the operator is away.
func (t *tour) killPersisters(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	if t.kills == 0 {
		return nil, nil
	}
	if err := t.persisters(ctx, 4); err != nil {
		return nil, err
	}
	start := time.Now()
	var recoveries []time.Duration
	for i := range t.kills {
		away := i == 1
		if away {
			if err := t.kube.OperatorReplicas(ctx, 0); err != nil {
				return nil, err
			}
			t.say("the operator is at 0 replicas")
		}
		took, err := t.kill(ctx, l, i)
		if err != nil {
			return nil, err
		}
		recoveries = append(recoveries, took...)
		if away {
			if err := t.kube.OperatorReplicas(ctx, 1); err != nil {
				return nil, err
			}
			t.say("the operator is back")
		}
	}
	failed := l.Failures.Since(start)
	t.report("kills", failed)
	slices.Sort(recoveries)
	if len(recoveries) == 0 {
		return nil, fmt.Errorf("no killed persister had a room")
	}
	p99 := recoveries[min(len(recoveries)-1, len(recoveries)*99/100)]
	t.say("recovery of %d rooms: median %s, p99 %s, max %s", len(recoveries), recoveries[len(recoveries)/2].Round(time.Millisecond),
		p99.Round(time.Millisecond), recoveries[len(recoveries)-1].Round(time.Millisecond))
	return []figures.Row{
		figures.AtMost("kill.send_failed", "requests", float64(len(failed)), 0),
		figures.AtMost("kill.recovery_p99", "ms", float64(p99.Microseconds())/1000, 1000),
	}, nil
}

// kill kills the persister whose container was restarted least often, and writes to all of its rooms at once. A room
// has recovered when its first write is acknowledged.
func (t *tour) kill(ctx context.Context, l *load.Load, round int) ([]time.Duration, error) {
	victim, rooms, err := t.victim(ctx, l)
	if err != nil {
		return nil, err
	}
	at, err := t.kube.Kill(ctx, victim)
	if err != nil {
		return nil, err
	}
	took := recovery(ctx, l, rooms, at)
	took = slices.DeleteFunc(took, func(d time.Duration) bool { return d == 0 }) // failed: counted as such
	if len(took) > 0 {
		t.say("kill %d: %s, its %d rooms write again after at most %s", round+1, victim.Name, len(rooms), slices.Max(took).Round(time.Millisecond))
	}
	return took, t.spread(ctx, 4)
}

// recovery writes to all rooms at once, and returns for each how long after at the write was acknowledged, 0 if it failed.
func recovery(ctx context.Context, l *load.Load, rooms []string, at time.Time) []time.Duration {
	took := make([]time.Duration, len(rooms))
	var wg sync.WaitGroup
	for i, room := range rooms {
		wg.Go(func() {
			if l.SendOne(ctx, room) == nil {
				took[i] = time.Since(at)
			}
		})
	}
	wg.Wait()
	return took
}

func (t *tour) victim(ctx context.Context, l *load.Load) (kube.Pod, []string, error) {
	pools, err := t.kube.Pods(ctx)
	if err != nil {
		return kube.Pod{}, nil, err
	}
	pods := slices.DeleteFunc(pools[t.pool("persister")], func(p kube.Pod) bool { return !p.Ready || p.Leaving })
	if len(pods) < 3 {
		return kube.Pod{}, nil, fmt.Errorf("only %d persisters are ready", len(pods))
	}
	victim := slices.MinFunc(pods, func(a, b kube.Pod) int { return a.Restarts - b.Restarts })
	rooms, err := t.roomsOf(ctx, l, []string{victim.Name})
	return victim, rooms, err
}
