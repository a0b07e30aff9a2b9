package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/figures"
)

// patience is how long deliveries may stand still at the end before what is missing counts as lost.
const patience = 15 * time.Second

func (t *tour) run(ctx context.Context) ([]figures.Row, error) {
	rows, err := t.measureIdle(ctx)
	if err != nil {
		return nil, err
	}
	l, err := t.prepare(ctx)
	if err != nil {
		return rows, err
	}
	background, stopBackground := context.WithCancel(ctx)
	defer stopBackground()
	group, groupCtx := errgroup.WithContext(background)
	listening := make(chan struct{})
	group.Go(func() error { return l.Receive(groupCtx, func() { close(listening) }) })
	select {
	case <-listening:
	case <-groupCtx.Done():
		return rows, group.Wait()
	}
	js := startJS(groupCtx, t)
	sending, stopSending := context.WithCancel(groupCtx)
	defer stopSending()
	sent := make(chan error, 1)
	go func() { sent <- l.Send(sending) }()

	phases, err := t.play(groupCtx, l)
	stopSending()
	err = errors.Join(err, <-sent)
	if err == nil {
		t.say("waiting for the last deliveries")
		l.Settle(groupCtx, patience)
		phases = append(phases, js.rows()...)
	}
	js.stop()
	stopBackground()
	if werr := group.Wait(); werr != nil && ctx.Err() == nil {
		err = errors.Join(err, werr)
	}
	rows = append(rows, phases...)
	if err != nil {
		return rows, err
	}
	db, err := t.openTable(ctx) // only now: the database may have been away
	if err != nil {
		return rows, err
	}
	defer db.Close(context.WithoutCancel(ctx))
	verdict, err := t.judge(ctx, l, db)
	return append(rows, verdict...), err
}

func (t *tour) prepare(ctx context.Context) (*load.Load, error) {
	address, err := t.kube.Address(ctx, t.kube.Homeserver)
	if err != nil {
		return nil, err
	}
	secret, err := t.kube.Secret(ctx, t.secret, "shared-secret")
	if err != nil {
		return nil, err
	}
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	t.say("registering users and making %d rooms", t.rooms)
	return load.New(ctx, load.Config{
		Base: "http://" + address, Secret: secret, Run: fmt.Sprintf("tour%d", time.Now().Unix()),
		Rooms: t.rooms, Receivers: t.receivers, Rate: t.rate, Retry: t.retry,
	}, t.acknowledged)
}

// phases are the planned actions, then the kills; each counts the requests that failed in it.
func (t *tour) phases(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	t.say("40 events/s and %d listeners run; warming up", t.receivers)
	if err := command.Wait(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	planned := time.Now()
	for _, n := range []int{2, 4, 1, 3} {
		if err := t.persisters(ctx, n); err != nil {
			return nil, err
		}
	}
	before, err := t.kube.Pods(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.failovers(ctx); err != nil {
		return nil, err
	}
	replaced := map[string]bool{}
	for _, role := range []string{"gateway", "sync"} {
		name, err := t.deletePod(ctx, role)
		if err != nil {
			return nil, err
		}
		replaced[name] = true
	}
	if err := command.Wait(ctx, 3*time.Second); err != nil {
		return nil, err
	}
	failed := l.Failures.Since(planned)
	t.report("planned actions", failed)
	rows := []figures.Row{figures.AtMost("planned.failed", "requests", float64(len(failed)), 0)}

	killed, err := t.killPersisters(ctx, l)
	rows = append(rows, killed...)
	if err != nil {
		return rows, err
	}
	restarts, err := t.otherRestarts(ctx, before, replaced)
	return append(rows, figures.AtMost("other_pods.restarts", "pods", float64(restarts), 0)), err
}

// report names the first failures.
func (t *tour) report(during string, failed []matrix.Failure) {
	if len(failed) == 0 {
		t.say("no request failed during %s", during)
		return
	}
	t.say("%d requests failed during %s; the first:", len(failed), during)
	for _, f := range failed[:min(len(failed), 10)] {
		t.say("  at %.1fs, after %s: %s: %s", f.At.Sub(t.start).Seconds(), f.Took.Round(time.Millisecond), f.Request, f.Outcome)
	}
}

// until polls done for at most limit.
func until(ctx context.Context, limit time.Duration, what string, done func() (bool, string, error)) error {
	deadline := time.Now().Add(limit)
	for {
		ok, state, err := done()
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("waited %s for %s: %s", limit, what, state), err)
		}
		if werr := command.Wait(ctx, 250*time.Millisecond); werr != nil {
			return werr
		}
	}
}
