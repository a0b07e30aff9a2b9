package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/processes"
)

var plannedScenarios = []Scenario{
	{Name: "move", Quiet: true, About: "move a busy shard between three persisters, thirty times", Run: move},
	{Name: "drain", Quiet: true, About: "drain a worker with 64 shards", Run: drain},
	{Name: "rolling-restart", About: "replace each worker by a new one, which starts first", Run: rollingRestart},
	{Name: "scale", About: "one persister, then eight, then two", Run: scale},
	{Name: "two-balancers", About: "two workers believe that they lead the balancing while others come and go", Run: twoBalancers},
}

// planned begins a scenario in which no request may fail.
func (r *Run) planned(ctx context.Context, f Fleet, t Traffic) (failed func() int, err error) {
	if err := r.Start(ctx, f); err != nil {
		return nil, err
	}
	if err := r.Begin(ctx, t); err != nil {
		return nil, err
	}
	began := time.Now()
	return func() int {
		all := r.Load.Failures.Since(began)
		for _, x := range all[:min(len(all), 5)] {
			r.Say("failed after %.0f ms: %s: %s", ms(x.Took), x.Request, x.Outcome)
		}
		return len(all)
	}, command.Wait(ctx, time.Second)
}

// none is an error if requests failed.
func none(failed int) error {
	if failed > 0 {
		return fmt.Errorf("%d requests failed, and none had to", failed)
	}
	return nil
}

// move measures by how much the sends to a shard take longer while it moves: the time of each send to the shard's rooms
// that was under way at any moment between the request to move and its answer, less the median of those that were not.
func move(ctx context.Context, r *Run) error {
	failed, err := r.planned(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1, Shards: 6}, Traffic{Rooms: 24, Rate: 40})
	if err != nil {
		return err
	}
	byShard, err := r.Rooms(ctx)
	if err != nil {
		return err
	}
	busy, rooms := 0, []string(nil)
	for shard, in := range byShard {
		if len(in) > len(rooms) || len(in) == len(rooms) && shard < busy {
			busy, rooms = shard, in
		}
	}
	writing, stopWriting := context.WithCancel(ctx)
	var writers sync.WaitGroup
	defer func() { stopWriting(); writers.Wait() }()
	for _, room := range rooms { // one after the other in each room, with short pauses
		writers.Go(func() {
			for command.Wait(writing, 25*time.Millisecond) == nil {
				_ = r.Load.SendOne(ctx, room)
			}
		})
	}
	type span struct{ from, to time.Time }
	var moves []span
	for range 30 {
		if err := r.moment(ctx, 200*time.Millisecond); err != nil {
			return err
		}
		m := span{from: time.Now()}
		if _, err := r.Gateways[r.Rand.IntN(len(r.Gateways))].Admin().Move(ctx, busy, 0); err != nil {
			return fmt.Errorf("move: %w", err)
		}
		m.to = time.Now()
		moves = append(moves, m)
		r.Mark("moved shard %d in %.0f ms", busy, ms(m.to.Sub(m.from)))
	}
	if err := r.moment(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	stopWriting()
	writers.Wait()
	var during, without, lasted []time.Duration
	for _, m := range moves {
		lasted = append(lasted, m.to.Sub(m.from))
	}
	for _, s := range r.Load.History.Sends() {
		took := s.Answered.Sub(s.Called)
		switch {
		case !slices.Contains(rooms, s.Room):
		case slices.ContainsFunc(moves, func(m span) bool { return s.Called.Before(m.to) && s.Answered.After(m.from) }):
			during = append(during, took)
		case s.Called.After(moves[0].from):
			without = append(without, took)
		}
	}
	median := percentile(without, 0.5)
	added := percentile(during, 0.99) - median
	r.Say("%d moves of a shard with %d rooms, median %.0f ms; %d sends meanwhile: median %.1f ms, p99 %.1f ms; %d others: median %.1f ms, p99 %.1f ms",
		len(moves), len(rooms), ms(percentile(lasted, 0.5)), len(during), ms(percentile(during, 0.5)), ms(percentile(during, 0.99)),
		len(without), ms(median), ms(percentile(without, 0.99)))
	r.Figure("move.added_p99", ms(added))
	r.Figure("move.failed", float64(failed()))
	return nil
}

// drain measures from the request until another worker has claimed each of the shards.
func drain(ctx context.Context, r *Run) error {
	failed, err := r.planned(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1, Shards: 192}, Traffic{Rooms: 48, Rate: 80})
	if err != nil {
		return err
	}
	var longest time.Duration
	for range 3 {
		victim := r.Persisters[r.Rand.IntN(len(r.Persisters))]
		s, err := r.Status(ctx)
		if err != nil {
			return err
		}
		id := workerID(s, victim)
		over := r.Fault("drain of %s", victim.Name)
		began := time.Now()
		if err := r.Gateways[0].Admin().Drain(ctx, id); err != nil {
			return err
		}
		for left := 1; left > 0; {
			if err := command.Wait(ctx, 2*time.Millisecond); err != nil {
				return err
			}
			if left, err = scan[int](ctx, r, fmt.Sprintf(`SELECT count(*) FROM shard_lease WHERE owner IS NULL OR owner = %d OR NOT claimed`, id)); err != nil {
				return err
			}
		}
		took := time.Since(began)
		over()
		longest = max(longest, took)
		r.Say("drained %s of %d shards in %.0f ms", victim.Name, owned(s, victim), ms(took))
		if err := r.Terminate(ctx, victim); err != nil {
			return err
		}
		if _, err := r.Add(ctx, persister); err != nil {
			return err
		}
		if err := r.Settle(ctx); err != nil {
			return err
		}
	}
	r.Figure("drain.time", ms(longest))
	r.Figure("drain.failed", float64(failed()))
	return nil
}

func owned(s admin.Status, w *processes.Worker) int {
	n := 0
	for _, shard := range s.Shards {
		if shard.OwnerPod == w.Name {
			n++
		}
	}
	return n
}

func rollingRestart(ctx context.Context, r *Run) error {
	failed, err := r.planned(ctx, Fleet{Persisters: 2, Gateways: 2, Syncs: 2}, Traffic{})
	if err != nil {
		return err
	}
	for _, w := range slices.Concat(r.Persisters, r.Gateways, r.Syncs) {
		if _, err := r.Add(ctx, w.Roles); err != nil {
			return err
		}
		over := r.Fault("SIGTERM %s, whose successor is ready", w.Name)
		if err := r.Terminate(ctx, w); err != nil {
			return err
		}
		over()
	}
	return none(failed())
}

func scale(ctx context.Context, r *Run) error {
	failed, err := r.planned(ctx, Fleet{Persisters: 1, Gateways: 2, Syncs: 1}, Traffic{})
	if err != nil {
		return err
	}
	for range 7 {
		if _, err := r.Add(ctx, persister); err != nil {
			return err
		}
	}
	if err := r.Settle(ctx); err != nil {
		return err
	}
	r.Mark("8 persisters, and the shards are spread")
	var leaving sync.WaitGroup
	errs := make(chan error, 6)
	r.Rand.Shuffle(len(r.Persisters), func(i, j int) { r.Persisters[i], r.Persisters[j] = r.Persisters[j], r.Persisters[i] })
	for _, w := range slices.Clone(r.Persisters[2:]) {
		leaving.Go(func() { errs <- r.Terminate(ctx, w) })
	}
	leaving.Wait()
	for range cap(errs) {
		if err := <-errs; err != nil {
			return err
		}
	}
	r.Mark("2 persisters")
	if err := r.Settle(ctx); err != nil {
		return err
	}
	return none(failed())
}

// twoBalancers takes the leader's row away from whoever believes to lead, over and over.
func twoBalancers(ctx context.Context, r *Run) error {
	failed, err := r.planned(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1}, Traffic{})
	if err != nil {
		return err
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	stealing, stop := context.WithCancel(ctx)
	defer stop()
	leaders := map[int64]bool{} // they held a term that was good
	var thief sync.WaitGroup
	var stolen error
	thief.Go(func() {
		for command.Wait(stealing, 100*time.Millisecond) == nil {
			var was int64
			var good bool
			err := conn.QueryRow(stealing, `UPDATE leader SET expires_at = to_timestamp(0), worker_id = (SELECT worker_id FROM worker WHERE state = 1 ORDER BY random() LIMIT 1)
				FROM (SELECT worker_id AS was, expires_at > clock_timestamp() AS good FROM leader WHERE name = 'balancer') AS before
				WHERE name = 'balancer' RETURNING was, good`).Scan(&was, &good)
			if err != nil {
				if stealing.Err() == nil {
					stolen = fmt.Errorf("take the leader's row: %w", err)
				}
				return
			}
			if good {
				leaders[was] = true
			}
		}
	})
	for range 3 {
		added, err := r.Add(ctx, persister)
		if err != nil {
			return err
		}
		if err := r.moment(ctx, time.Second); err != nil {
			return err
		}
		if err := r.Terminate(ctx, r.Persisters[0]); err != nil {
			return err
		}
		r.Mark("%s came, another went", added.Name)
	}
	stop()
	thief.Wait()
	if stolen != nil {
		return stolen
	}
	r.Say("%d workers led", len(leaders))
	if len(leaders) < 2 {
		return errors.New("there were no two balancers")
	}
	if err := r.Settle(ctx); err != nil {
		return err
	}
	return none(failed())
}
