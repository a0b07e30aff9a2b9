package main

import (
	"context"
	"time"
)

var processScenarios = []Scenario{
	{Name: "kill", About: "SIGKILL a persister, five times; the pod restarts", Short: true, Run: kill},
}

// kill measures how long the rooms of a killed persister refuse writes, with at least two others established.
func kill(ctx context.Context, r *Run) error {
	if err := r.Start(ctx, Fleet{Persisters: 4, Gateways: 2, Syncs: 2}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{Rooms: 32, Rate: 80}); err != nil {
		return err
	}
	var recoveries []time.Duration
	for range 5 {
		if err := Wait(ctx, time.Second+time.Duration(r.Rand.Int64N(int64(time.Second)))); err != nil {
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
	r.Say("%d rooms recovered: median %.0f ms, p99 %.0f ms", len(recoveries), ms(percentile(recoveries, 0.5)), ms(percentile(recoveries, 0.99)))
	r.Figure("kill.recovery_p99", ms(percentile(recoveries, 0.99)))
	return nil
}
