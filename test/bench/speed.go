package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/cmd/loadgen/search"
	"github.com/myelin-hs/myelin/cmd/loadgen/traffic"
	"github.com/myelin-hs/myelin/test/figures"
)

// rounds is how often each rate is measured, all in turn; the median of each ratio counts.
const rounds = 5

// persisters are the numbers of persisters that the homeserver is measured with over HTTP.
var persisters = []int{1, 2, 4}

// busy is who writes where when rates are measured: nobody listens, so that what is measured is the path of a write.
var busy = traffic.Size{Rooms: 64, Users: 16, Members: 4}

// p99 is what 99 of 100 requests may take at the rates that count.
const p99 = 100 * time.Millisecond

func speedTable() []figures.Row {
	return append([]figures.Row{
		figures.Unmeasured("persister.over_bound", "ratio", "≥ 0.5"),
		figures.Unmeasured("http.over_bound", "ratio", "≥ 0.5"),
		figures.Unmeasured("http.rate", "events/s", "≥ 5000"),
		figures.Unmeasured("cores.speedup", "ratio", "≥ 1.6"),
		figures.Unmeasured("send40.p50", "ms", "≤ 2"),
		figures.Unmeasured("send40.p99", "ms", "≤ 8"),
		figures.Unmeasured("lane.statements", "statements", "≤ 12"),
		figures.Unmeasured("lane.transactions", "transactions", "1"),
		figures.Unmeasured("warm.reads", "reads", "0"),
	}, memoryTable()...)
}

// round is what was measured in one, in events a second; http and its shares of the bound by number of persisters.
type round struct {
	postgres, signing, floor     float64
	alone, oneCore               float64 // with Postgres on the same cores
	uncommitted, uncommittedCore float64 // without Postgres
	http                         []float64
}

// bound of a chain whose parts share the cores.
func bound(floors ...float64) float64 {
	sum := 0.0
	for _, f := range floors {
		sum += 1 / f
	}
	return 1 / sum
}

// speed measures the rows of make bench.
func speed(ctx context.Context, r *rig) ([]figures.Row, error) {
	a, err := r.buildAlone(ctx)
	if err != nil {
		return nil, err
	}
	counted, err := a.counts(ctx)
	if err != nil {
		return nil, err
	}
	best, err := r.bestForm(ctx)
	if err != nil {
		return nil, err
	}
	fleets, err := r.fleets(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, f := range fleets {
			f.close()
		}
	}()
	var all []round
	lasts := make([]float64, len(persisters)+1)
	for n := range pick(r, rounds, 1) {
		one, err := r.round(ctx, a, best, fleets, lasts)
		if err != nil {
			return nil, err
		}
		r.say("round %d: Postgres %.0f, signing %.0f, HTTP %.0f; persister %.0f (%.0f on one core), over HTTP %.0f events/s",
			n+1, one.postgres, one.signing, one.floor, one.alone, one.oneCore, one.http)
		all = append(all, one)
	}
	measured := rates(all)
	send40, err := r.send40(ctx)
	if err != nil {
		return nil, err
	}
	memory, err := r.memory(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Concat(measured[:4], send40, counted, []figures.Row{memory}, measured[4:]), nil
}

// rates are the rows of the rounds: those of the table first.
func rates(all []round) []figures.Row {
	over := func(i int) float64 {
		return median(all, func(r round) float64 { return r.http[i] / bound(r.postgres, r.signing, r.floor) })
	}
	rate := func(i int) float64 { return median(all, func(r round) float64 { return r.http[i] }) }
	best := 0
	for i := range persisters {
		if over(i) > over(best) {
			best = i
		}
	}
	rows := []figures.Row{
		figures.AtLeast("persister.over_bound", "ratio", median(all, func(r round) float64 { return r.alone / bound(r.postgres, r.signing) }), 0.5),
		figures.AtLeast("http.over_bound", "ratio", over(best), 0.5),
		figures.AtLeast("http.rate", "events/s", rate(best), 5000),
		figures.AtLeast("cores.speedup", "ratio", median(all, func(r round) float64 { return r.uncommitted / r.uncommittedCore }), 1.6),
		told("cores.speedup_with_postgres", "ratio", median(all, func(r round) float64 { return r.alone / r.oneCore })),
	}
	also := func(name string, value float64) {
		rows = append(rows, told(name, "events/s", value))
	}
	also("floor.postgres", median(all, func(r round) float64 { return r.postgres }))
	also("floor.signing", median(all, func(r round) float64 { return r.signing }))
	also("floor.http", median(all, func(r round) float64 { return r.floor }))
	also("persister.rate", median(all, func(r round) float64 { return r.alone }))
	also("persister.rate_1_core", median(all, func(r round) float64 { return r.oneCore }))
	also("persister.rate_uncommitted", median(all, func(r round) float64 { return r.uncommitted }))
	also("persister.rate_uncommitted_1_core", median(all, func(r round) float64 { return r.uncommittedCore }))
	for i, n := range persisters {
		also(fmt.Sprintf("http.rate_%d_persisters", n), rate(i))
	}
	return rows
}

func median(all []round, value func(round) float64) float64 {
	var values []float64
	for _, r := range all {
		values = append(values, value(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// fleets are homeservers with each number of persisters, with users and rooms, and stopped.
func (r *rig) fleets(ctx context.Context) (all []*fleet, err error) {
	for _, n := range persisters {
		uri, _, err := r.database(ctx, 0)
		if err != nil {
			return all, err
		}
		f, err := r.fleet(uri, slices.Repeat([]string{persister}, n)...)
		if err != nil {
			return all, err
		}
		all = append(all, f)
		r.say("a homeserver with %d persisters", n)
		if err := f.start(ctx); err != nil {
			return all, err
		}
		err = f.prepare(ctx, pick(r, busy, traffic.Size{Rooms: 4, Users: 2, Members: 2}), "send")
		f.stop(ctx)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// round measures everything once. lasts are the rates that were kept the last time, by chain; the floor's is the first.
func (r *rig) round(ctx context.Context, a *alone, best form, fleets []*fleet, lasts []float64) (one round, err error) {
	length := pick(r, 2*time.Second, 100*time.Millisecond)
	if one.postgres, err = r.postgresFloor(ctx, best, length); err != nil {
		return one, err
	}
	if one.signing, err = signingFloor(length / 2); err != nil {
		return one, err
	}
	if one.alone, err = a.rate(ctx, runtime.NumCPU(), length); err != nil {
		return one, err
	}
	if one.oneCore, err = a.rate(ctx, 1, length); err != nil {
		return one, err
	}
	if one.uncommitted, err = a.uncommitted(ctx, runtime.NumCPU(), length); err != nil {
		return one, err
	}
	if one.uncommittedCore, err = a.uncommitted(ctx, 1, length); err != nil {
		return one, err
	}
	// What that wrote is not to be on its way to the disk while somebody else waits for it.
	if err := r.admin(ctx, "CHECKPOINT"); err != nil {
		return one, err
	}
	syscall.Sync()
	floor, stop, err := r.startFloor(ctx, pick(r, busy, traffic.Size{Rooms: 4, Users: 2, Members: 2}))
	if err != nil {
		return one, err
	}
	one.floor, err = r.greatest(ctx, floor, &lasts[0], func(traffic.Result) {})
	stop()
	if err == nil && one.floor == 0 {
		err = errors.New("the machine is too busy")
	}
	if err != nil {
		return one, fmt.Errorf("the floor of HTTP: %w", err)
	}
	for i, f := range fleets {
		if err := f.start(ctx); err != nil {
			return one, err
		}
		rate, err := r.greatest(ctx, f.load, &lasts[i+1], func(result traffic.Result) { f.acknowledged += result.Verdict.Acknowledged })
		if err == nil {
			err = f.compare(ctx)
		}
		f.stop(ctx)
		if err != nil {
			return one, fmt.Errorf("%d persisters over HTTP: %w", persisters[i], err)
		}
		one.http = append(one.http, rate)
	}
	return one, nil
}

// compare holds what was acknowledged against what is in the table.
func (f *fleet) compare(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, f.home.PostgresURI)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var events, different int
	err = conn.QueryRow(ctx, "SELECT count(*), count(DISTINCT txn_id) FROM event WHERE type = 'm.room.message' AND txn_id NOT LIKE 'bench-0/%'").Scan(&events, &different)
	if err == nil && (events < f.acknowledged || events != different) {
		err = fmt.Errorf("%d messages were acknowledged, and there are %d events of %d messages", f.acknowledged, events, different)
	}
	return err
}

// greatest looks for the greatest rate within p99, from the last one on. each is told of every trial.
func (r *rig) greatest(ctx context.Context, load *traffic.Load, last *float64, each func(traffic.Result)) (float64, error) {
	b := traffic.Bound{
		P99: p99, Bounds: search.Bounds{From: 800, To: 100_000, Step: 1.5, Precision: 0.07, Doubt: 1, Confirm: 6},
		Trial: traffic.Trial{Warmup: 200 * time.Millisecond, Length: 1400 * time.Millisecond},
		Each:  func(result traffic.Result, _, _ bool) { each(result) },
	}
	if *last > 0 {
		b.From, b.Step = *last*0.9, 1.25
	}
	if r.short {
		b.P99, b.From, b.To, b.Trial.Length, b.Trial.Warmup = time.Minute, 20, 20, 200*time.Millisecond, 0
	}
	// Connections are made and rooms read first.
	warm, err := load.Play(ctx, traffic.Trial{Rate: b.From, Length: b.Trial.Length})
	if err != nil {
		return 0, err
	}
	each(warm)
	result, found, err := load.Greatest(ctx, b)
	if err != nil || ctx.Err() != nil {
		return 0, firstError(err, ctx.Err())
	}
	if !result.Verdict.OK() {
		return 0, fmt.Errorf("what arrived is not what was sent: %v", result.Verdict.Sentences())
	}
	if !found {
		r.say("no rate keeps p99 below %s: at %.0f/s it is %.1f ms, and %d requests failed", p99, result.Rate, result.Slowest(), result.Failed())
		return 0, nil
	}
	*last = result.Rate
	return result.Rate, nil
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
