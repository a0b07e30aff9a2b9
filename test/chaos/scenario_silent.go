package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/myelin-hs/myelin/test/chaos/proxy"
	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/processes"
)

var silentScenarios = []Scenario{
	{Name: "stop", About: "SIGSTOP a persister past its time to live, then SIGCONT", Short: true, Run: stop},
	{Name: "stop-briefly", About: "SIGSTOP persisters for less than their time to live", Run: stopBriefly},
	{Name: "stop-before-commit", About: "SIGSTOP a persister whose block holds its locks and waits for its COMMIT", Run: stopBeforeCommit},
	{Name: "stop-in-fence", About: "SIGSTOP a persister whose block waits between advisory lock and lease row, which is locked", Run: stopInFence},
	{Name: "slow-commit", About: "blocks of one persister wait up to 1.5 s for their COMMIT while others commit", Run: slowCommit},
	{Name: "wedge", About: "the lanes of a persister hang while its heart beats", Run: wedge},
}

// silence breaks the busiest persister, and measures until its rooms write again.
func (r *Run) silence(ctx context.Context, what string, fault func(victim *processes.Worker) error) (*processes.Worker, error) {
	if err := r.moment(ctx, time.Second); err != nil {
		return nil, err
	}
	victim, rooms, err := r.Busiest(ctx)
	if err != nil {
		return nil, err
	}
	over := r.Fault("%s of %s", what, victim.Name)
	at := time.Now()
	if err := fault(victim); err != nil {
		return nil, err
	}
	took, err := r.Recovery(ctx, at, rooms)
	if err != nil {
		return nil, err
	}
	over()
	r.Say("%d rooms of %s recovered: median %.0f ms, max %.0f ms", len(took), victim.Name, ms(percentile(took, 0.5)), ms(slices.Max(took)))
	r.Figure("silent.recovery_max", ms(slices.Max(took)))
	return victim, nil
}

// backAgain waits for what a worker does that was silent: it goes on if nobody declared it dead, else it ends, and its
// pod restarts.
func (r *Run) backAgain(ctx context.Context, w *processes.Worker) error {
	limit, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		s, err := r.Status(limit)
		if err == nil && workerID(s, w) != 0 && w.AwaitReady(limit) == nil {
			return nil
		}
		select {
		case <-w.Exited():
			return r.Again(ctx, w)
		case <-limit.Done():
			return errors.Join(fmt.Errorf("%s neither serves nor ends", w.Name), limit.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func stop(ctx context.Context, r *Run) error {
	if err := r.Start(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{}); err != nil {
		return err
	}
	victim, err := r.silence(ctx, "SIGSTOP", func(w *processes.Worker) error { return w.Signal(syscall.SIGSTOP) })
	if err != nil {
		return err
	}
	if err := r.moment(ctx, time.Second); err != nil {
		return err
	}
	r.Mark("SIGCONT %s", victim.Name)
	if err := victim.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	if err := r.backAgain(ctx, victim); err != nil {
		return err
	}
	return r.moment(ctx, time.Second)
}

func stopBriefly(ctx context.Context, r *Run) error {
	if err := r.Start(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{}); err != nil {
		return err
	}
	for range 4 {
		w := r.Persisters[r.Rand.IntN(len(r.Persisters))]
		over := r.Fault("SIGSTOP %s", w.Name)
		if err := w.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		if err := r.moment(ctx, 1500*time.Millisecond); err != nil {
			return err
		}
		if err := w.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		over()
		if err := r.moment(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	for _, w := range r.Persisters {
		if err := r.backAgain(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func stopBeforeCommit(ctx context.Context, r *Run) error {
	network := NewNetwork(r)
	if err := r.Start(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1, Prepare: network.Prepare}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{}); err != nil {
		return err
	}
	for range 2 {
		var held *proxy.Block
		victim, err := r.silence(ctx, "SIGSTOP before COMMIT", func(w *processes.Worker) error {
			held = network.Of(w).Postgres.HoldCommit()
			select {
			case <-held.Held:
			case <-ctx.Done():
				return ctx.Err()
			}
			return w.Signal(syscall.SIGSTOP)
		})
		if err != nil {
			return err
		}
		r.Mark("the COMMIT of %s arrives; SIGCONT", victim.Name)
		held.Release()
		if err := victim.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		if err := r.backAgain(ctx, victim); err != nil {
			return err
		}
		if err := r.Settle(ctx); err != nil {
			return err
		}
	}
	return r.moment(ctx, time.Second)
}

// slowCommit holds blocks whose numbers are drawn: P must wait for them, and they must not be given up.
func slowCommit(ctx context.Context, r *Run) error {
	network := NewNetwork(r)
	failed, err := r.planned(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1, Prepare: network.Prepare}, Traffic{})
	if err != nil {
		return err
	}
	for range 6 {
		held := network.Of(r.Persisters[r.Rand.IntN(len(r.Persisters))]).Postgres.HoldCommit()
		select {
		case <-held.Held:
		case <-ctx.Done():
			return ctx.Err()
		}
		over := r.Fault("a COMMIT is held")
		if err := r.moment(ctx, time.Second); err != nil {
			return err
		}
		held.Release()
		over()
	}
	return none(failed())
}

// stopInFence locks the lease rows of a persister from outside, so that its next block registers and then waits.
func stopInFence(ctx context.Context, r *Run) error {
	if err := r.Start(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{}); err != nil {
		return err
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	victim, err := r.silence(ctx, "SIGSTOP in the fence", func(w *processes.Worker) error {
		s, err := r.Status(ctx)
		if err != nil {
			return err
		}
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		if _, err := tx.Exec(ctx, `SELECT FROM shard_lease WHERE owner = $1 ORDER BY shard_id FOR UPDATE`, workerID(s, w)); err != nil {
			return err
		}
		for waiting := 0; waiting == 0; { // a block that has registered waits for a row
			waiting, err = scan[int](ctx, r, fmt.Sprintf(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
				AND application_name = 'myelin-%d' AND wait_event_type = 'Lock'`, workerID(s, w)))
			if err != nil {
				return err
			}
			if err := command.Wait(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		return w.Signal(syscall.SIGSTOP)
	})
	if err != nil {
		return err
	}
	if err := victim.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	if err := r.backAgain(ctx, victim); err != nil {
		return err
	}
	return r.moment(ctx, time.Second)
}

func wedge(ctx context.Context, r *Run) error {
	network := NewNetwork(r)
	if err := r.Start(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1, Prepare: network.Prepare}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{}); err != nil {
		return err
	}
	victim, err := r.silence(ctx, "wedged lanes", func(w *processes.Worker) error { network.Of(w).Postgres.Wedge(); return nil })
	if err != nil {
		return err
	}
	network.Of(victim).Postgres.Heal()
	if err := r.backAgain(ctx, victim); err != nil {
		return err
	}
	return r.moment(ctx, time.Second)
}
