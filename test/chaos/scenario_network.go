package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/myelin-hs/myelin/test/chaos/proxy"
	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/processes"
)

var networkScenarios = []Scenario{
	{Name: "cut-postgres", About: "lose the network between a persister and Postgres: both ways, each way", Run: eachCut(postgresLine, true)},
	{Name: "cut-gateway-persister", About: "lose the network between all others and a persister: both ways, each way", Run: eachCut(internalLine, true)},
	{Name: "cut-gateway-sync", About: "lose the network between all others and a sync worker: both ways, each way", Run: cutSync},
	{Name: "cut-postgres-readers", About: "lose the network between Postgres and a gateway, and a sync worker: both ways, each way", Run: cutReaders},
	{Name: "commit-cut", About: "lose the connection right after a COMMIT was sent, again and again", Run: commitCut},
}

var (
	bothWays     = proxy.Fault{ToServer: true, ToClient: true}
	onlyToServer = proxy.Fault{ToClient: true}
	onlyToClient = proxy.Fault{ToServer: true}
)

// ways are how a line breaks: wholly, and so that only one direction is left.
var ways = []struct {
	name  string
	fault proxy.Fault
}{{"cut", bothWays}, {"requests lost", onlyToClient}, {"answers lost", onlyToServer}}

func postgresLine(l *Lines) *proxy.Proxy { return l.Postgres }
func internalLine(l *Lines) *proxy.Proxy { return l.Internal }

// eachCut breaks a line of one persister after the other, and measures until all of its rooms are written again, by
// whomever. Only then the line heals.
func eachCut(line func(*Lines) *proxy.Proxy, silent bool) func(context.Context, *Run) error {
	return func(ctx context.Context, r *Run) error {
		n := NewNetwork(r)
		if err := r.Start(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1, Prepare: n.Prepare}); err != nil {
			return err
		}
		if err := r.Begin(ctx, Traffic{}); err != nil {
			return err
		}
		for _, way := range ways {
			if err := command.Wait(ctx, time.Second); err != nil {
				return err
			}
			victim, rooms, err := r.Busiest(ctx)
			if err != nil {
				return err
			}
			p := line(n.Of(victim))
			over := r.Fault("%s, %s", way.name, victim.Name)
			at := time.Now()
			p.Break(way.fault)
			took, err := r.Recovery(ctx, at, rooms)
			p.Heal()
			if err != nil {
				return err
			}
			over()
			r.Say("%s: %d rooms recovered within %.0f ms", way.name, len(rooms), ms(slices.Max(took)))
			if silent {
				r.Figure("silent.recovery_max", ms(slices.Max(took)))
			}
			if err := r.restore(ctx, victim); err != nil {
				return err
			}
		}
		return nil
	}
}

// restore waits until a worker that was cut off has noticed that it was declared dead and ended, starts it again, and
// waits until the shards are spread. One that is still a member goes on.
func (r *Run) restore(ctx context.Context, w *processes.Worker) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		s, err := r.Status(ctx)
		if err == nil && workerID(s, w) != 0 {
			select {
			case <-w.Exited():
			default:
				return r.Settle(ctx)
			}
		}
		select {
		case <-w.Exited():
			if err := r.Again(ctx, w); err != nil {
				return err
			}
			return r.Settle(ctx)
		default:
		}
		if werr := command.Wait(ctx, 100*time.Millisecond); werr != nil {
			return errors.Join(errors.New("a worker that was declared dead does not end"), err)
		}
	}
}

// cutSync breaks the line to the sync worker that serves somebody; listeners have to be served by another.
func cutSync(ctx context.Context, r *Run) error {
	n := NewNetwork(r)
	if err := r.Start(ctx, Fleet{Persisters: 2, Gateways: 2, Syncs: 2, Prepare: n.Prepare}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{Receivers: 4}); err != nil {
		return err
	}
	for i, way := range ways {
		victim := r.Syncs[i%len(r.Syncs)]
		if err := r.broken(ctx, n.Of(victim).Internal, way.fault, "%s, %s", way.name, victim.Name); err != nil {
			return err
		}
		if err := r.restore(ctx, victim); err != nil {
			return err
		}
	}
	return nil
}

// cutReaders breaks the line between Postgres and workers that own nothing.
func cutReaders(ctx context.Context, r *Run) error {
	n := NewNetwork(r)
	if err := r.Start(ctx, Fleet{Persisters: 2, Gateways: 2, Syncs: 2, Prepare: n.Prepare}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{Receivers: 4}); err != nil {
		return err
	}
	for _, way := range ways {
		for _, victim := range []*processes.Worker{r.Syncs[0], r.Gateways[1]} {
			if err := r.broken(ctx, n.Of(victim).Postgres, way.fault, "%s, %s", way.name, victim.Name); err != nil {
				return err
			}
			if err := r.restore(ctx, victim); err != nil {
				return err
			}
		}
	}
	return nil
}

// outlasts is how long a fault stands that nobody waits for: longer than a worker's time to live.
const outlasts = 5 * time.Second

// broken breaks a line for a while.
func (r *Run) broken(ctx context.Context, p *proxy.Proxy, f proxy.Fault, format string, args ...any) error {
	if err := command.Wait(ctx, time.Second); err != nil {
		return err
	}
	over := r.Fault(format, args...)
	p.Break(f)
	defer over()
	defer p.Heal()
	return command.Wait(ctx, outlasts)
}

// commitCut leaves blocks of every persister without an answer. Clients send again under their transaction id.
func commitCut(ctx context.Context, r *Run) error {
	n := NewNetwork(r)
	if err := r.Start(ctx, Fleet{Persisters: 2, Gateways: 1, Syncs: 1, Prepare: n.Prepare}); err != nil {
		return err
	}
	if err := r.Begin(ctx, Traffic{Rate: 100}); err != nil {
		return err
	}
	cuts := 0
	for range 20 {
		w := r.Persisters[r.Rand.IntN(len(r.Persisters))]
		p := n.Of(w).Postgres
		over := r.Fault("COMMIT cut, %s", w.Name)
		block := p.CutAtCommit()
		limit, cancel := context.WithTimeout(ctx, 20*time.Second)
		select {
		case <-block.Held:
			cuts++
		case <-limit.Done():
		}
		cancel()
		p.Disarm()
		over()
		if err := command.Wait(ctx, time.Duration(r.Rand.Int64N(int64(400*time.Millisecond)))); err != nil {
			return err
		}
	}
	r.Say("%d blocks were committed without an answer", cuts)
	if cuts == 0 {
		return errors.New("no block was cut")
	}
	return nil
}
