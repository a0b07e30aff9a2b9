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

// loadStep raises the load, and ends it again.
func (t *tour) loadStep(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	if err := t.follow(ctx, 1, stepWindow); err != nil {
		return nil, err
	}
	r, start := t.scale.recorder, time.Now()
	if err := command.Wait(ctx, 30*time.Second); err != nil {
		return nil, err
	}
	up := time.Now()
	stop := t.more(ctx, l)
	err := t.watched(ctx, stepLasts)
	stop()
	if err != nil {
		return nil, err
	}
	down := time.Now()
	before, err := t.kube.Status(ctx)
	if err != nil {
		return nil, err
	}
	shrunk := r.steady(ctx, 1, 15*time.Second, stepWindow+3*time.Minute)
	if err := command.Wait(ctx, 0); err != nil {
		return nil, err
	}
	failed := l.Failures.Since(start)
	t.report("the step", failed)
	all, rise := r.since(start), r.since(up)
	if i := len(rise) - len(r.since(down)); i > 0 {
		rise = rise[:i]
	}
	fall := r.since(down)
	turns := max(scaling.DirectionChanges(rise), scaling.DirectionChanges(fall))
	rows := []figures.Row{
		figures.AtMost("step.failed", "requests", float64(len(failed)), 0),
		figures.AtMost("step.direction_changes", "changes per step", float64(turns), 1),
		figures.AtMost("step.replicas", "replicas", float64(scaling.Most(rise)), float64(t.scale.most)),
	}
	if len(rise) == 0 {
		return rows, errors.New("nothing was recorded")
	}
	took, back := scaling.TimeToTarget(rise, t.scale.target, 10*time.Second)
	if back {
		rows = append(rows, figures.AtMost("step.time_to_target", "s", took.Seconds(), 60))
	}
	rows, undrained := t.drained(ctx, rows, before)
	err = errors.Join(shrunk, undrained, t.draw(all))
	if !scaling.Rose(rise, t.scale.target) {
		err = errors.Join(err, fmt.Errorf("the lag never rose above %s, so the pool had no reason to grow: persisters with a limit of %s are not short of CPU here", t.scale.target, t.scale.cpu))
	} else if !back {
		err = errors.Join(err, fmt.Errorf("the lag did not come back under %s", t.scale.target))
	}
	if most := scaling.Most(rise); most <= rise[0].Wanted || len(fall) == 0 || fall[len(fall)-1].Wanted >= most {
		err = errors.Join(err, fmt.Errorf("the pool did not grow and shrink again: it had %d persisters, %d at most, and %d at the end", rise[0].Wanted, most, r.size().Wanted))
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

// drained counts the persisters that lived then and have ended since, without having given all away.
func (t *tour) drained(ctx context.Context, rows []figures.Row, then admin.Status) ([]figures.Row, error) {
	status, err := t.kube.Status(ctx)
	if err != nil {
		return rows, err
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
	return append(rows, figures.AtMost("step.undrained", "workers", float64(undrained), 0)), nil
}

// draw writes the picture.
func (t *tour) draw(samples []scaling.Sample) error {
	if t.scale.picture == "" || len(samples) == 0 {
		return nil
	}
	title := fmt.Sprintf("Persisters of %s CPU follow %d → %d → %d events/s", t.scale.cpu, baseLoad, stepLoad, baseLoad)
	return os.WriteFile(t.scale.picture, scaling.Picture(title, samples, t.scale.target).SVG(), 0o644)
}
