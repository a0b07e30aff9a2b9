package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/test/command"
)

const (
	idleAge     = 10 * time.Minute
	idleRounds  = 5               // of each kind
	idleMeasure = 6 * time.Second // one round
)

// idleTransaction compares two homeservers of the same age and history, in two databases of one server: the one has a
// transaction open that has written. (What an open transaction keeps from being cleaned up is of its own database.) Both
// do light work while it ages. Then rounds of all that each can write alternate, so that what else the machine does meets
// both.
func idleTransaction(ctx context.Context, r *Run) error {
	twin, err := r.rig.newRun(r.name + "-twin")
	if err != nil {
		return err
	}
	defer twin.close()
	fleet, light := Fleet{Persisters: 1, Gateways: 1, Syncs: 1}, Traffic{Rooms: 24, Receivers: 1, Rate: 2}
	for _, x := range []*Run{r, twin} {
		if err := x.Start(ctx, fleet); err != nil {
			return err
		}
	}
	idle, err := pgx.Connect(ctx, r.Home.PostgresURI)
	if err != nil {
		return err
	}
	defer idle.Close(context.WithoutCancel(ctx))
	began := time.Now()
	if _, err := idle.Exec(ctx, "CREATE TABLE chaos_idle (n integer); BEGIN; INSERT INTO chaos_idle VALUES (1)"); err != nil {
		return fmt.Errorf("begin a transaction and leave it: %w", err)
	}
	over := r.Fault("a write transaction idles")
	for _, x := range []*Run{r, twin} {
		if err := x.Begin(ctx, light); err != nil {
			return err
		}
	}
	defer twin.finish(context.WithoutCancel(ctx))
	if err := command.Wait(ctx, idleAge-time.Since(began)); err != nil {
		return err
	}
	if err := r.Alone(ctx); err != nil {
		return err
	}
	var with, without []float64
	for range idleRounds {
		for _, x := range []struct {
			run  *Run
			into *[]float64
		}{{r, &with}, {twin, &without}} {
			n, err := x.run.throughput(ctx, idleMeasure)
			if err != nil {
				return err
			}
			*x.into = append(*x.into, n)
		}
	}
	age := time.Since(began)
	if _, err := idle.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("the transaction did not live for long: %w", err)
	}
	over()
	r.Say("%.1f events/s beside a transaction of %.0f s, %.1f without (medians of %d rounds: %.0f, %.0f)", median(with), age.Seconds(), median(without), idleRounds, with, without)
	r.Figure("idle_txn.effect", median(with)/median(without))
	return nil
}

// throughput is how many events a second the homeserver acknowledges, when every room's creator writes as fast as it can.
func (r *Run) throughput(ctx context.Context, d time.Duration) (float64, error) {
	limit, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var acked, failed atomic.Int64
	began := time.Now()
	var writers sync.WaitGroup
	for _, room := range r.Load.Rooms() {
		writers.Go(func() {
			for limit.Err() == nil {
				if err := r.Load.SendOne(ctx, room); err != nil {
					failed.Add(1)
				} else {
					acked.Add(1)
				}
			}
		})
	}
	writers.Wait()
	if n := failed.Load(); n > 0 {
		return 0, fmt.Errorf("%d writes failed", n)
	}
	return float64(acked.Load()) / time.Since(began).Seconds(), ctx.Err()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
