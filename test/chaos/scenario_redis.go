package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/processes"
)

var redisScenarios = []Scenario{
	{Name: "redis-restart", About: "FLUSHALL, then kill Redis and start it again, empty", Run: redisRestart},
	{Name: "cut-redis", About: "lose the network between Redis and a persister, a gateway, a sync worker, all: both ways, each way", Run: cutRedis},
}

func redisRestart(ctx context.Context, r *Run) error {
	if err := r.Start(ctx, Fleet{Persisters: 2, Gateways: 2, Syncs: 2}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{Receivers: 4}); err != nil {
		return err
	}
	for range 3 {
		if err := command.Wait(ctx, time.Second); err != nil {
			return err
		}
		over := r.Fault("FLUSHALL")
		if err := flush(ctx, r.Redis.URI()); err != nil {
			return err
		}
		over()
		if err := command.Wait(ctx, time.Second); err != nil {
			return err
		}
		over = r.Fault("Redis is away")
		r.Redis.Stop()
		if err := command.Wait(ctx, time.Duration(r.Rand.Int64N(int64(4*time.Second)))); err != nil {
			return err
		}
		if err := r.Redis.Relaunch(ctx); err != nil {
			return err
		}
		over()
	}
	if err := command.Wait(ctx, time.Second); err != nil {
		return err
	}
	return r.allAlive()
}

func flush(ctx context.Context, uri string) error {
	opts, err := redis.ParseURL(uri)
	if err != nil {
		return err
	}
	client := redis.NewClient(opts)
	defer client.Close()
	if err := client.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("FLUSHALL: %w", err)
	}
	return nil
}

// cutRedis breaks the lines to Redis of one worker of each role, then of all.
func cutRedis(ctx context.Context, r *Run) error {
	n := NewNetwork(r)
	if err := r.Start(ctx, Fleet{Persisters: 2, Gateways: 2, Syncs: 2, Prepare: n.Prepare}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{Receivers: 4}); err != nil {
		return err
	}
	all := slices.Concat(r.Persisters, r.Gateways, r.Syncs)
	for _, way := range ways {
		for _, cut := range [][]*processes.Worker{r.Persisters[:1], r.Gateways[:1], r.Syncs[:1], all} {
			names := cut[0].Name
			if len(cut) > 1 {
				names = "all"
			}
			over := r.Fault("Redis: %s, %s", way.name, names)
			for _, w := range cut {
				n.Of(w).Redis.Break(way.fault)
			}
			if err := command.Wait(ctx, 2500*time.Millisecond); err != nil {
				return err
			}
			for _, w := range cut {
				n.Of(w).Redis.Heal()
			}
			over()
			if err := command.Wait(ctx, time.Second); err != nil {
				return err
			}
		}
	}
	return r.allAlive()
}
