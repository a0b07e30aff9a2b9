package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/e2e/scaling"
	"github.com/myelin-hs/myelin/test/figures"
)

// climb is a load that grows, lasts, and ends again.
type climb struct {
	name       string        // of its rows
	cpu        string        // limit of a persister
	base, peak float64       // messages a second, before and after, and meanwhile
	lasts      time.Duration // how long
	window     time.Duration // for which the pool is left at its size
	cpuTarget  *int          // percent, beside the target for the lag; nil: none
	rest       int           // persisters that are enough in the end; -1: fewer than at most
	still      time.Duration // for which they are to be so many
	picture    string        // file; empty for none
}

// loadStep raises the load for less than the window, so that the pool cannot shrink before it has ended.
func (t *tour) loadStep(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	return t.climb(ctx, l, climb{
		name: "step", cpu: t.scale.cpu, base: baseLoad, peak: stepLoad, lasts: 100 * time.Second, window: 2 * time.Minute,
		rest: 1, still: 15 * time.Second, picture: t.scale.picture,
	})
}

// climb raises the load, and ends it again.
func (t *tour) climb(ctx context.Context, l *load.Load, c climb) ([]figures.Row, error) {
	if err := t.followAlso(ctx, 1, c.window, c.cpuTarget); err != nil {
		return nil, err
	}
	r, start := t.scale.recorder, time.Now()
	if err := command.Wait(ctx, 30*time.Second); err != nil {
		return nil, err
	}
	up := time.Now()
	stop := t.more(ctx, l, c.base, c.peak)
	err := t.watched(ctx, c.lasts)
	stop()
	if err != nil {
		return nil, err
	}
	down, rise := time.Now(), r.since(up)
	before, err := t.kube.Status(ctx)
	if err != nil {
		return nil, err
	}
	shrunk := r.shrinks(ctx, scaling.Most(rise), c.window+3*time.Minute)
	if shrunk == nil {
		shrunk = r.steady(ctx, c.rest, c.still, c.window+3*time.Minute)
	}
	if err := command.Wait(ctx, 0); err != nil {
		return nil, err
	}
	failed := l.Failures.Since(start)
	t.report("the scenario "+c.name, failed)
	fall := r.since(down)
	turns := max(scaling.DirectionChanges(rise), scaling.DirectionChanges(fall))
	rows := []figures.Row{
		figures.AtMost(c.name+".failed", "requests", float64(len(failed)), 0),
		figures.AtMost(c.name+".direction_changes", "changes per step", float64(turns), 1),
		figures.AtMost(c.name+".most", "replicas", float64(scaling.Most(rise)), float64(t.scale.most)),
	}
	if len(rise) == 0 {
		return rows, errors.New("nothing was recorded")
	}
	took, back := scaling.TimeToTarget(rise, t.scale.target, 10*time.Second)
	if back {
		rows = append(rows, figures.AtMost(c.name+".time_to_target", "s", took.Seconds(), 60))
	}
	undrained, err := t.undrained(ctx, before)
	if err == nil {
		rows = append(rows, figures.AtMost(c.name+".undrained", "workers", float64(undrained), 0))
	}
	err = errors.Join(shrunk, err, c.draw(r.since(start), t.scale.target))
	if !scaling.Rose(rise, t.scale.target) {
		err = errors.Join(err, fmt.Errorf("the lag never rose above %s, so the pool had no reason to grow: persisters with a limit of %s are not short of CPU here", t.scale.target, c.cpu))
	} else if !back {
		err = errors.Join(err, fmt.Errorf("the lag did not come back under %s", t.scale.target))
	}
	if most := scaling.Most(rise); most <= rise[0].Wanted {
		err = errors.Join(err, fmt.Errorf("the pool did not grow: it had %d persisters, and %d at most", rise[0].Wanted, most))
	}
	return rows, err
}

// watched waits, and says each ten seconds what is seen.
func (t *tour) watched(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := command.Wait(ctx, min(10*time.Second, time.Until(end))); err != nil {
			return err
		}
		recent := t.scale.recorder.since(time.Now().Add(-3 * time.Second))
		if len(recent) == 0 {
			continue
		}
		last := recent[len(recent)-1]
		known := "unknown"
		if last.LagKnown {
			known = last.Lag.Round(time.Millisecond).String()
		}
		t.say("  %.0f of %.0f events/s, lag %s, %d persisters wanted, %d ready", last.Acked, last.Offered, known, last.Wanted, last.Ready)
	}
	return nil
}

// undrained counts the persisters that lived then and have ended since, without having given all away.
func (t *tour) undrained(ctx context.Context, then admin.Status) (int, error) {
	status, err := t.kube.Status(ctx)
	if err != nil {
		return 0, err
	}
	lived := map[int64]bool{}
	for _, w := range livePersisters(then) {
		lived[w.ID] = true
	}
	left, undrained := 0, 0
	for _, w := range status.Workers {
		if !lived[w.ID] || w.Ended == "" {
			continue
		}
		left++
		if w.Ended != admin.EndedDrained {
			t.say("%s ended without having drained: %s", w.Pod, w.DiedOf)
			undrained++
		}
	}
	t.say("%d persisters have left, %d of them without having drained", left, undrained)
	return undrained, nil
}

// draw writes the picture.
func (c climb) draw(samples []scaling.Sample, target time.Duration) error {
	if c.picture == "" || len(samples) == 0 {
		return nil
	}
	title := fmt.Sprintf("Persisters of %s CPU follow %g → %g → %g events/s", c.cpu, c.base, c.peak, c.base)
	return os.WriteFile(c.picture, scaling.Picture(title, samples, target).SVG(), 0o644)
}
