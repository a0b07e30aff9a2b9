package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/cmd/loadgen/measure"
	"github.com/myelin-hs/myelin/cmd/loadgen/schedule"
	"github.com/myelin-hs/myelin/cmd/loadgen/traffic"
	"github.com/myelin-hs/myelin/test/figures"
)

// quiet is the rate at which it is measured what a message takes when next to nothing else happens, in events a second.
const quiet = 40

// send40 is what a message takes at 40 a second, to rooms that two listen to, and what the same way takes at that rate with
// nothing on it: a request through the reverse proxy, and the commit of a row.
func (r *rig) send40(ctx context.Context) ([]figures.Row, error) {
	uri, drop, err := r.database(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer drop()
	f, err := r.fleet(uri, persister, syncer)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if err := f.start(ctx); err != nil {
		return nil, err
	}
	if err := f.prepare(ctx, traffic.Size{Rooms: 20, Users: 10, Members: 4, Listeners: 2}, "send"); err != nil {
		return nil, err
	}
	result, err := f.play(ctx, traffic.Trial{Rate: quiet, Warmup: 2 * time.Second, Length: pick(r, 30*time.Second, time.Second), Patience: time.Minute})
	if err != nil {
		return nil, err
	}
	f.stop(ctx)
	send, _ := measure.Find(result.Rows, traffic.Send)
	request, err := r.requestFloor(ctx)
	if err != nil {
		return nil, err
	}
	commit, err := r.commitFloor(ctx, uri)
	return []figures.Row{
		figures.AtMost("send40.p50", "ms", send.P50, 2), figures.AtMost("send40.p99", "ms", send.P99, 8),
		told("send40.floor_http_p50", "ms", request), told("send40.floor_commit_p50", "ms", commit),
	}, err
}

// requestFloor is the median of what a request through the reverse proxy takes, in ms.
func (r *rig) requestFloor(ctx context.Context) (float64, error) {
	load, stop, err := r.startFloor(ctx, traffic.Size{Rooms: 4, Users: 2, Members: 2})
	if err != nil {
		return 0, err
	}
	defer stop()
	result, err := load.Play(ctx, traffic.Trial{Rate: quiet, Length: pick(r, 10*time.Second, 200*time.Millisecond)})
	if err != nil {
		return 0, err
	}
	send, _ := measure.Find(result.Rows, traffic.Send)
	return send.P50, ctx.Err()
}

// commitFloor is the median of what an insertion of one row takes, with its commit, in ms.
func (r *rig) commitFloor(ctx context.Context, uri string) (float64, error) {
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "CREATE TABLE floor (i bigint)"); err != nil {
		return 0, err
	}
	var took []float64
	schedule.Pace(ctx, quiet, pick(r, 10*time.Second, 200*time.Millisecond), func(a schedule.Arrival) {
		began := time.Now()
		if _, failed := conn.Exec(ctx, "INSERT INTO floor VALUES ($1)", a.N); failed != nil {
			err = failed
			return
		}
		took = append(took, float64(time.Since(began).Microseconds())/1000)
	})
	if err != nil || len(took) == 0 {
		return 0, firstError(err, ctx.Err(), fmt.Errorf("no row was inserted"))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// play plays a trial while listeners listen, and fails if a request does, or if what arrives is not what was sent.
func (f *fleet) play(ctx context.Context, p traffic.Trial) (result traffic.Result, err error) {
	listening, stop := context.WithCancel(ctx)
	ended, ready := make(chan error, 1), make(chan struct{})
	go func() { ended <- f.load.Listen(listening, func() { close(ready) }) }()
	select {
	case <-ready:
		result, err = f.load.Play(ctx, p)
		stop()
		err = firstError(err, <-ended, ctx.Err())
	case err = <-ended:
		stop()
	case <-ctx.Done():
		stop()
		err = firstError(<-ended, ctx.Err())
	}
	switch {
	case err != nil:
		return result, err
	case result.Failed() > 0:
		return result, fmt.Errorf("%d requests failed: %+v", result.Failed(), result.Rows)
	case !result.Verdict.OK():
		return result, fmt.Errorf("what arrived is not what was sent: %v", result.Verdict.Sentences())
	}
	return result, nil
}
