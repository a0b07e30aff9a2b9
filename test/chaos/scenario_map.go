package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/shard"
)

var mapScenarios = []Scenario{
	{Name: "reassign", About: "slots and single rooms move between shards, and shards between workers", Run: reassign},
	{Name: "lease-statements", About: "300 workers that have nothing to do, in one process", Run: measureStatements},
}

func reassign(ctx context.Context, r *Run) error {
	failed, err := r.planned(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1, Shards: 12}, Traffic{Rate: 80})
	if err != nil {
		return err
	}
	m, leave, err := r.join(ctx)
	if err != nil {
		return err
	}
	defer leave()
	rooms := slices.Clone(r.Load.Rooms())
	for i, began := 0, time.Now(); time.Since(began) < 8*time.Second; i++ {
		if err := r.moment(ctx, 200*time.Millisecond); err != nil {
			return err
		}
		room, to := rooms[r.Rand.IntN(len(rooms))], r.Rand.IntN(12)
		switch i % 4 {
		case 0:
			err = m.Reassign(ctx, nil, []id.RoomID{id.RoomID(room)}, to)
		case 3:
			_, err = r.Gateways[0].Admin().Move(ctx, to, 0)
		default:
			err = m.Reassign(ctx, []int{shard.Slot(id.RoomID(room))}, nil, to)
		}
		if err != nil {
			return err
		}
		r.Mark("%s goes to shard %d", room, to)
	}
	return none(failed())
}

// join makes this process a worker without a role, which can do what an operator's request makes one do.
func (r *Run) join(ctx context.Context) (*lease.Manager, func(), error) {
	pool, err := pgxpool.New(ctx, r.Home.PostgresURI)
	if err != nil {
		return nil, nil, err
	}
	port, err := net.Listen("tcp", "127.0.0.1:0") // nobody who dials it takes this process for dead
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	m, err := lease.Join(ctx, pool, lease.Self{Pod: "chaos", Addr: port.Addr().String(), Pool: "chaos", Roles: []string{"observer"}, Protocol: 2}, lease.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		_ = port.Close()
		pool.Close()
		return nil, nil, fmt.Errorf("join as a worker: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = m.Run(ctx) })
	return m, func() { cancel(); running.Wait(); pool.Close(); _ = port.Close() }, nil
}

func measureStatements(ctx context.Context, r *Run) error {
	n, err := leaseStatements(ctx, 300, 20*time.Second)
	if err != nil {
		return err
	}
	r.Say("%.3f statements a second and worker", n)
	r.Figure("lease.statements", n)
	return nil
}
