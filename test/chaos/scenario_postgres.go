package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/processes"
)

var postgresScenarios = []Scenario{
	{Name: "postgres-crash", About: "stop Postgres as `pg_ctl stop -m immediate` does, and start it again, three times", Run: postgresCrash},
	{Name: "promotion", About: "the primary dies, and a synchronous standby that replays late is promoted", Run: promotion},
	{Name: "promotion-lost", About: "the primary dies, and an asynchronous standby that lags is promoted", Run: promotionLost},
	{Name: "pooler", About: "a pooler in transaction mode between the workers' reads and Postgres; it is killed", Run: pooler},
	{Name: "idle-transaction", About: "a write transaction that idles for ten minutes in the same database", Aside: true, Run: idleTransaction},
}

// recovers waits until every room is written again and reports for how long none of them could be relied upon.
func (r *Run) recovers(ctx context.Context, fault time.Time) error {
	took, err := r.Recovery(ctx, fault, r.Load.Rooms())
	if err != nil {
		return err
	}
	r.Say("%d rooms are written again after %.0f ms", len(took), ms(slices.Max(took)))
	return nil
}

func postgresCrash(ctx context.Context, r *Run) error {
	d, err := r.ownDatabase(ctx, nil)
	if err != nil {
		return err
	}
	if err := r.Start(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1, PostgresURI: d.URI()}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{}); err != nil {
		return err
	}
	for range 3 {
		if err := command.Wait(ctx, 2*time.Second); err != nil {
			return err
		}
		over := r.Fault("Postgres crashes")
		at := time.Now()
		if err := d.Server.Crash(); err != nil {
			return err
		}
		r.watch.forgive()
		if err := command.Wait(ctx, time.Duration(r.Rand.Int64N(int64(4*time.Second)))); err != nil {
			return err
		}
		if err := d.Server.Restart(ctx); err != nil {
			return err
		}
		over()
		r.Say("Postgres was away for %.0f ms", ms(time.Since(at)))
		if err := r.recovers(ctx, at); err != nil {
			return err
		}
	}
	return r.allAlive()
}

// allAlive says whether a worker has ended, for which there was no reason.
func (r *Run) allAlive() error {
	var err error
	for _, w := range slices.Concat(r.Persisters, r.Gateways, r.Syncs) {
		select {
		case <-w.Exited():
			err = errors.Join(err, fmt.Errorf("%s has ended", w.Name))
		default:
		}
	}
	return err
}

// withStandby starts a fleet over a primary with a standby, and clients.
func (r *Run) withStandby(ctx context.Context, synchronous bool) (d *Database, standby *pgtest.Server, log interface{ Cut() }, err error) {
	if d, err = r.ownDatabase(ctx, nil); err != nil {
		return nil, nil, nil, err
	}
	s, line, err := d.Standby(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if synchronous {
		if err := d.Server.Synchronous(ctx, true); err != nil {
			return nil, nil, nil, err
		}
	}
	if err := r.Start(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 2, PostgresURI: d.URI()}); err != nil {
		return nil, nil, nil, err
	}
	return d, s, line, r.Begin(ctx, Traffic{})
}

// failOver ends the primary and promotes the standby; then the address leads there.
func (r *Run) failOver(ctx context.Context, d *Database, standby *pgtest.Server) error {
	if err := d.Server.Crash(); err != nil {
		return err
	}
	r.watch.forgive()
	if err := standby.Promote(ctx); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	d.Line.Aim(standby.Addr())
	d.Line.Reset()
	return nil
}

// settled waits until writes go on, then for the shards to be spread, for a while in which the caches are used, and for
// the rooms to be written once more.
func (r *Run) settled(ctx context.Context, fault time.Time) error {
	if err := r.recovers(ctx, fault); err != nil {
		return err
	}
	for _, w := range slices.Concat(r.Persisters, r.Gateways, r.Syncs) {
		select {
		case <-w.Exited():
			if err := r.Again(ctx, w); err != nil {
				return err
			}
			r.Say("%s had ended and was started again", w.Name)
		default:
		}
	}
	if err := r.Settle(ctx); err != nil {
		return err
	}
	return command.Wait(ctx, 3*time.Second)
}

func promotion(ctx context.Context, r *Run) error {
	d, standby, _, err := r.withStandby(ctx, true)
	if err != nil {
		return err
	}
	if err := command.Wait(ctx, time.Second); err != nil {
		return err
	}
	if err := execute(ctx, standby, "SELECT pg_wal_replay_pause()"); err != nil {
		return err
	}
	over := r.Fault("the synchronous standby replays nothing")
	if err := command.Wait(ctx, 2*time.Second); err != nil {
		return err
	}
	over()
	over = r.Fault("failover to the synchronous standby")
	at := time.Now()
	if err := r.failOver(ctx, d, standby); err != nil {
		return err
	}
	over()
	return r.settled(ctx, at)
}

// promotionLost cuts the log's line two seconds before the primary dies. What was acknowledged meanwhile is lost, which no
// server can help whose standby is asynchronous: it is counted apart. All that follows has to be as if it had never been.
func promotionLost(ctx context.Context, r *Run) error {
	d, standby, log, err := r.withStandby(ctx, false)
	if err != nil {
		return err
	}
	if err := command.Wait(ctx, time.Second); err != nil {
		return err
	}
	over := r.Fault("the standby gets no log")
	log.Cut()
	if err := command.Wait(ctx, 2*time.Second); err != nil {
		return err
	}
	over()
	over = r.Fault("failover to the standby that lags")
	at := time.Now()
	if err := r.failOver(ctx, d, standby); err != nil {
		return err
	}
	complete := time.Now()
	r.watch.forget()
	survived, err := events(ctx, standby)
	if err != nil {
		return err
	}
	over()
	if err := r.settled(ctx, at); err != nil {
		return err
	}
	if err := d.Server.Restart(ctx); err != nil {
		return fmt.Errorf("look at what was lost: %w", err)
	}
	before, err := events(ctx, d.Server)
	if err != nil {
		return err
	}
	lost := map[string]bool{}
	for id := range before {
		if !survived[id] {
			lost[id] = true
		}
	}
	if len(lost) == 0 {
		return errors.New("the standby did not lag")
	}
	r.Say("%d events are lost, %d of them acknowledged: the price of an asynchronous standby", len(lost), r.Load.History.Forget(lost, complete))
	return nil
}

func execute(ctx context.Context, s *pgtest.Server, sql string) error {
	conn, err := pgx.Connect(ctx, s.URI("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}

// pooler gives transactions of many workers few sessions; every session serves every worker.
func pooler(ctx context.Context, r *Run) error {
	d, err := r.ownDatabase(ctx, nil)
	if err != nil {
		return err
	}
	p, err := NewPooler(ctx, r.Dir(), d.URI())
	if err != nil {
		return Skip(err.Error())
	}
	r.OnClose(p.Kill)
	reads, err := p.URI(d.URI())
	if err != nil {
		return err
	}
	prepare := func(w *processes.Worker) error { w.PostgresReadURI = reads; return nil }
	if err := r.Start(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 2, PostgresURI: d.URI(), Prepare: prepare}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{}); err != nil {
		return err
	}
	for range 2 {
		if err := command.Wait(ctx, 3*time.Second); err != nil {
			return err
		}
		over := r.Fault("the pooler is killed")
		at := time.Now()
		p.Kill()
		if err := command.Wait(ctx, time.Second); err != nil {
			return err
		}
		if err := p.Start(ctx); err != nil {
			return err
		}
		over()
		if err := r.recovers(ctx, at); err != nil {
			return err
		}
	}
	return command.Wait(ctx, 2*time.Second)
}
