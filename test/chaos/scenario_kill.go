package main

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/processes"
)

var killScenarios = []Scenario{
	{Name: "kill", Quiet: true, About: "SIGKILL a persister, six times; its pod restarts", Run: kill},
	{Name: "kill-gateways-and-syncs", About: "SIGKILL each gateway and sync worker in turn; its pod restarts", Run: killOthers},
	{Name: "kill-all", About: "SIGKILL every worker at once; all pods restart", Short: true, Run: killAll},
	{Name: "announcer-killed", About: "SIGKILL whoever announces P, four times", Run: announcerKilled},
	{Name: "announcer-stopped", About: "SIGSTOP whoever announces P for 3 s, three times", Run: announcerStopped},
}

// kill measures how long the rooms of a killed persister refuse writes, with at least two others established.
func kill(ctx context.Context, r *Run) error {
	if err := r.Start(ctx, Fleet{Persisters: 4, Gateways: 2, Syncs: 2}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{Rooms: 48, Rate: 80}); err != nil {
		return err
	}
	var recoveries []time.Duration
	for range 6 {
		if err := r.moment(ctx, time.Second); err != nil {
			return err
		}
		victim := r.Persisters[r.Rand.IntN(len(r.Persisters))]
		rooms, err := r.RoomsOf(ctx, victim)
		if err != nil {
			return err
		}
		over := r.Fault("SIGKILL %s", victim.Name)
		at := time.Now()
		victim.Kill()
		took, err := r.Recovery(ctx, at, rooms)
		if err != nil {
			return err
		}
		over()
		recoveries = append(recoveries, took...)
		if err := r.Again(ctx, victim); err != nil {
			return err
		}
		if err := r.Settle(ctx); err != nil {
			return err
		}
	}
	r.Say("%d rooms recovered: median %.0f ms, p99 %.0f ms, max %.0f ms", len(recoveries), ms(percentile(recoveries, 0.5)),
		ms(percentile(recoveries, 0.99)), ms(slices.Max(recoveries)))
	r.Figure("kill.recovery_p99", ms(percentile(recoveries, 0.99)))
	return nil
}

// moment waits for a time that the seed chooses, of half of about to one and a half.
func (r *Run) moment(ctx context.Context, about time.Duration) error {
	return command.Wait(ctx, about/2+time.Duration(r.Rand.Int64N(int64(about))))
}

func killOthers(ctx context.Context, r *Run) error {
	if err := r.Start(ctx, Fleet{Persisters: 2, Gateways: 2, Syncs: 2}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{}); err != nil {
		return err
	}
	for _, victim := range slices.Concat(r.Gateways, r.Syncs) {
		if err := r.moment(ctx, 500*time.Millisecond); err != nil {
			return err
		}
		over := r.Fault("SIGKILL %s", victim.Name)
		victim.Kill()
		r.Service.Remove(victim.Public)
		if err := r.moment(ctx, time.Second); err != nil {
			return err
		}
		if err := r.Again(ctx, victim); err != nil {
			return err
		}
		if slices.Contains(r.Gateways, victim) {
			r.Service.Add(victim.Public)
		}
		over()
	}
	return r.moment(ctx, time.Second)
}

func killAll(ctx context.Context, r *Run) error {
	if err := r.Start(ctx, Fleet{Persisters: 2, Gateways: 1, Syncs: 1}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{Rooms: 8}); err != nil {
		return err
	}
	if err := r.moment(ctx, 2*time.Second); err != nil {
		return err
	}
	over := r.Fault("SIGKILL all workers")
	all := slices.Concat(r.Persisters, r.Gateways, r.Syncs)
	for _, w := range all {
		w.Kill()
	}
	var group errgroup.Group
	for _, w := range all {
		group.Go(func() error { return r.Again(ctx, w) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	over()
	return r.moment(ctx, 3*time.Second)
}

// announcer returns the worker that announces P.
func (r *Run) announcer(ctx context.Context) (*processes.Worker, error) {
	for {
		s, err := r.Status(ctx)
		if err != nil {
			return nil, err
		}
		leader, err := scan[int64](ctx, r, `SELECT coalesce((SELECT worker_id FROM leader WHERE name = 'announcer' AND expires_at > clock_timestamp()), 0)`)
		if err != nil {
			return nil, err
		}
		for _, w := range slices.Concat(r.Persisters, r.Gateways) {
			if leader != 0 && workerID(s, w) == leader {
				return w, nil
			}
		}
		if err := command.Wait(ctx, 20*time.Millisecond); err != nil {
			return nil, errors.Join(errors.New("nobody announces"), err)
		}
	}
}

func announcerKilled(ctx context.Context, r *Run) error {
	return r.announcers(ctx, 4, func(w *processes.Worker) error {
		w.Kill()
		if err := command.Wait(ctx, 2*time.Second); err != nil {
			return err
		}
		return r.Again(ctx, w)
	})
}

func announcerStopped(ctx context.Context, r *Run) error {
	return r.announcers(ctx, 3, func(w *processes.Worker) error {
		if err := w.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		if err := command.Wait(ctx, 3*time.Second); err != nil {
			return err
		}
		if err := w.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		return r.backAgain(ctx, w)
	})
}

// announcers does something to whoever announces P, so many times.
func (r *Run) announcers(ctx context.Context, times int, fault func(w *processes.Worker) error) error {
	if err := r.Start(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{}); err != nil {
		return err
	}
	for range times {
		if err := r.moment(ctx, time.Second); err != nil {
			return err
		}
		w, err := r.announcer(ctx)
		if err != nil {
			return err
		}
		over := r.Fault("%s announces, and no more", w.Name)
		if err := fault(w); err != nil {
			return err
		}
		over()
	}
	return r.moment(ctx, 2*time.Second)
}
