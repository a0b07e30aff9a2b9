package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/processes"
)

var clockScenarios = []Scenario{
	{Name: "clock-steps", About: "the clock of Postgres jumps by an hour, forward and back", Run: clockSteps},
	{Name: "clock-steps-workers", About: "the clocks of single workers jump, by hours and by seconds, forward and back", Steps: true, Run: clockStepsWorkers},
	{Name: "clock-steps-together", About: "the clocks of Postgres and of one worker jump at once, the same way and opposite ways", Steps: true, Run: clockStepsTogether},
}

// clockSteps lets the time of day jump while heartbeats, terms and time-outs are compared with it.
func clockSteps(ctx context.Context, r *Run) error {
	clock, err := r.databaseUnder(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1})
	if err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{Rate: 40}); err != nil {
		return err
	}
	for _, offset := range []time.Duration{time.Hour, 0, -time.Hour, 0} {
		if err := command.Wait(ctx, 4*time.Second); err != nil {
			return err
		}
		over := r.Fault("the clock is set to %+.0f h", offset.Hours())
		at := time.Now()
		if err := clock.Set(offset); err != nil {
			return err
		}
		if err := r.recovers(ctx, at); err != nil {
			return err
		}
		over()
	}
	if err := command.Wait(ctx, 4*time.Second); err != nil {
		return err
	}
	return r.allAlive()
}

// databaseUnder starts a fleet over a Postgres that has a clock of its own.
func (r *Run) databaseUnder(ctx context.Context, f Fleet) (*pgtest.Clock, error) {
	clock, err := pgtest.NewClock(r.Dir())
	if err != nil {
		return nil, Skip(err.Error())
	}
	d, err := r.ownDatabase(ctx, clock)
	if err != nil {
		return nil, err
	}
	f.PostgresURI = d.URI()
	return clock, r.Start(ctx, f)
}

// parts are the workers that a clock may matter to, each for another reason. One may be there twice.
func (r *Run) parts(ctx context.Context) (names []string, workers []*processes.Worker, err error) {
	busiest, _, err := r.Busiest(ctx)
	if err != nil {
		return nil, nil, err
	}
	names, workers = []string{"persister", "gateway", "sync"}, []*processes.Worker{busiest, r.Gateways[0], r.Syncs[0]}
	s, err := r.Status(ctx)
	if err != nil {
		return nil, nil, err
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `SELECT name, worker_id FROM leader ORDER BY name`)
	if err != nil {
		return nil, nil, err
	}
	var name string
	var id int64
	_, err = pgx.ForEachRow(rows, []any{&name, &id}, func() error {
		for _, w := range slices.Concat(r.Persisters, r.Gateways, r.Syncs) {
			if workerID(s, w) == id {
				names, workers = append(names, name), append(workers, w)
			}
		}
		return nil
	})
	if err == nil && len(names) != 5 {
		err = fmt.Errorf("announcer or balancer is missing: %v", names)
	}
	return names, workers, err
}

// clockStepsWorkers steps one clock after the other. Nothing that a worker does may hang on it, so no request may fail:
// not a message, nor a registration that begins at one gateway and ends at another, nor what a worker does that starts
// while its clock is wrong.
func clockStepsWorkers(ctx context.Context, r *Run) error {
	clocks := NewClocks(r)
	failed, err := r.planned(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 2, Prepare: clocks.Prepare}, Traffic{Rate: 40})
	if err != nil {
		return err
	}
	names, workers, err := r.parts(ctx)
	if err != nil {
		return err
	}
	newcomers := 0
	for i, w := range workers {
		for _, offset := range []time.Duration{3 * time.Hour, -3 * time.Hour, 20 * time.Second, -20 * time.Second, 0} {
			over := r.Fault("the clock of %s (%s) is set to %+v", w.Name, names[i], offset)
			at := time.Now()
			if err := clocks.Set(ctx, w, offset); err != nil {
				return err
			}
			if err := r.recovers(ctx, at); err != nil {
				return err
			}
			for range 2 { // each gateway has the first half of one
				newcomers++
				name := fmt.Sprintf("%s-newcomer-%d", r.name, newcomers)
				if _, err := matrix.Register(ctx, serviceURL, processes.SharedSecret, name, r.Service, &r.Load.Failures); err != nil {
					return fmt.Errorf("register while the clock of %s is set to %v: %w", w.Name, offset, err)
				}
			}
			if err := r.moment(ctx, 1500*time.Millisecond); err != nil {
				return err
			}
			over()
		}
	}
	for _, roles := range []string{persister, gateway, syncer} {
		clocks.Start = -3 * time.Hour
		over := r.Fault("a %s starts with its clock set to %v", roles, clocks.Start)
		if _, err := r.Add(ctx, roles); err != nil {
			return err
		}
		if err := r.Settle(ctx); err != nil {
			return err
		}
		if err := r.recovers(ctx, time.Now()); err != nil {
			return err
		}
		over()
	}
	if err := command.Wait(ctx, 2*time.Second); err != nil {
		return err
	}
	if err := r.allAlive(); err != nil {
		return err
	}
	return none(failed())
}

// clockStepsTogether steps the clock of Postgres, and at the same moment those of workers. What the former's steps do by
// themselves is known from clock-steps.
func clockStepsTogether(ctx context.Context, r *Run) error {
	clocks := NewClocks(r)
	clock, err := r.databaseUnder(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 2, Prepare: clocks.Prepare})
	if err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{Rate: 40}); err != nil {
		return err
	}
	names, workers, err := r.parts(ctx)
	if err != nil {
		return err
	}
	for i, w := range workers {
		if err := command.Wait(ctx, 4*time.Second); err != nil {
			return err
		}
		offset := time.Hour * []time.Duration{1, -1}[r.Rand.IntN(2)]
		its := offset * []time.Duration{1, -1}[i%2] // with Postgres's, or against it
		over := r.Fault("the clock of Postgres is set to %+v, that of %s (%s) to %+v", offset, w.Name, names[i], its)
		if err := r.bothAt(ctx, clock, offset, clocks, w, its); err != nil {
			return err
		}
		if err := command.Wait(ctx, 4*time.Second); err != nil {
			return err
		}
		if err := r.bothAt(ctx, clock, 0, clocks, w, 0); err != nil {
			return err
		}
		over()
	}
	return r.allAlive()
}

// bothAt steps the clock of Postgres and that of one worker, and waits until every room is written again.
func (r *Run) bothAt(ctx context.Context, clock *pgtest.Clock, offset time.Duration, clocks *Clocks, w *processes.Worker, its time.Duration) error {
	at := time.Now()
	if err := clock.Set(offset); err != nil {
		return err
	}
	if err := clocks.Set(ctx, w, its); err != nil {
		return err
	}
	return r.recovers(ctx, at)
}
