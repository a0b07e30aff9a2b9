package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/processes"
)

// Traffic is what clients do during a scenario. The zero value of a field is its default.
type Traffic struct {
	Rooms     int     // default 16
	Receivers int     // who are in all rooms and listen; default 2
	Writers   int     // who write to each room, receivers among them; default 2
	Rate      float64 // messages a second over all rooms; default 60
}

const (
	// retry is for how long a client sends a message again before it gives up: longer than every fault lasts.
	retry = 40 * time.Second
	// patience is how long deliveries may stand still at the end before what is missing counts as skipped.
	patience = 15 * time.Second
)

// traffic is what runs until the end of a scenario.
type traffic struct {
	listening, sending context.CancelFunc
	listeners, senders errgroup.Group
}

// Begin registers users, makes rooms, and lets clients write and listen until the scenario is over.
func (r *Run) Begin(ctx context.Context, t Traffic) error {
	if t.Rooms == 0 {
		t.Rooms = 16
	}
	if t.Receivers == 0 {
		t.Receivers = 2
	}
	if t.Writers == 0 {
		t.Writers = 2
	}
	if t.Rate == 0 {
		t.Rate = 60
	}
	var err error
	r.Load, err = load.New(ctx, load.Config{
		Base: serviceURL, Transport: r.Service, Secret: processes.SharedSecret, Run: r.name, Rooms: t.Rooms, Receivers: t.Receivers,
		Writers: t.Writers, Rate: t.Rate, StateEvery: 6, Retry: retry, Deadline: r.rig.deadline,
	}, nil)
	if err != nil {
		return fmt.Errorf("prepare the clients: %w", err)
	}
	if r.watch, err = startWatch(ctx, r.Home.PostgresURI); err != nil {
		return err
	}
	r.traffic = &traffic{}
	var listening, sending context.Context
	listening, r.traffic.listening = context.WithCancel(ctx)
	sending, r.traffic.sending = context.WithCancel(ctx)
	started := make(chan struct{})
	failed := make(chan error, 1)
	r.traffic.listeners.Go(func() error {
		err := r.Load.Receive(listening, func() { close(started) })
		failed <- err
		return err
	})
	select {
	case <-started:
	case err := <-failed:
		return errors.Join(errors.New("the listeners ended"), err)
	}
	r.traffic.senders.Go(func() error { return r.Load.Send(sending) })
	r.Mark("clients write and listen")
	return nil
}

// finish stops the senders, waits for what is under way, and then stops the listeners.
func (r *Run) finish(ctx context.Context) error {
	r.Mark("senders stop")
	r.traffic.sending()
	err := r.traffic.senders.Wait()
	r.Load.Settle(ctx, patience)
	r.traffic.listening()
	if lerr := r.traffic.listeners.Wait(); ctx.Err() == nil {
		err = errors.Join(err, lerr)
	}
	return err
}

// Rooms returns the load's rooms by the shard that they are in.
func (r *Run) Rooms(ctx context.Context) (map[int][]string, error) {
	conn, err := pgx.Connect(ctx, r.Home.PostgresURI)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `
		SELECT room_id, coalesce(rs.shard_id, ss.shard_id) FROM room JOIN slot_shard ss USING (slot) LEFT JOIN room_shard rs USING (room_id)
		WHERE room_id = ANY ($1)`, r.Load.Rooms())
	if err != nil {
		return nil, err
	}
	byShard := map[int][]string{}
	var room string
	var shard int
	_, err = pgx.ForEachRow(rows, []any{&room, &shard}, func() error { byShard[shard] = append(byShard[shard], room); return nil })
	return byShard, err
}

// RoomsOf returns the load's rooms that a persister writes now.
func (r *Run) RoomsOf(ctx context.Context, w *processes.Worker) ([]string, error) {
	s, err := r.Status(ctx)
	if err != nil {
		return nil, err
	}
	byShard, err := r.Rooms(ctx)
	if err != nil {
		return nil, err
	}
	var rooms []string
	for _, shard := range s.Shards {
		if shard.OwnerPod == w.Name {
			rooms = append(rooms, byShard[shard.ID]...)
		}
	}
	slices.Sort(rooms)
	return rooms, nil
}

// Busiest returns the persister that writes most of the load's rooms, with them.
func (r *Run) Busiest(ctx context.Context) (busiest *processes.Worker, rooms []string, err error) {
	for _, w := range r.Persisters {
		of, err := r.RoomsOf(ctx, w)
		if err != nil {
			return nil, nil, err
		}
		if len(of) > len(rooms) {
			busiest, rooms = w, of
		}
	}
	if busiest == nil {
		return nil, nil, errors.New("no persister has a room")
	}
	return busiest, rooms, nil
}

// Recovery writes to each of the rooms at once and returns how long after the fault each had acknowledged that.
func (r *Run) Recovery(ctx context.Context, fault time.Time, rooms []string) ([]time.Duration, error) {
	took := make([]time.Duration, len(rooms))
	var group errgroup.Group
	for i, room := range rooms {
		group.Go(func() error {
			if err := r.Load.SendOne(ctx, room); err != nil {
				return fmt.Errorf("%s does not recover: %w", room, err)
			}
			took[i] = time.Since(fault)
			return nil
		})
	}
	return took, group.Wait()
}

// connect opens a session of the scenario's own, past every proxy.
func (r *Run) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, r.Home.PostgresURI)
}

// scan reads one value from the database.
func scan[T any](ctx context.Context, r *Run, sql string) (value T, err error) {
	conn, err := r.connect(ctx)
	if err != nil {
		return value, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return value, conn.QueryRow(ctx, sql).Scan(&value)
}

// percentile of values, by the nearest rank; 0 of none.
func percentile(values []time.Duration, p float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*p))]
}

// ids of workers by pod's name.
func workerID(s admin.Status, w *processes.Worker) int64 {
	for _, x := range s.Workers {
		if x.Pod == w.Name && x.State != admin.StateDead {
			return x.ID
		}
	}
	return 0
}
