package app

import (
	"context"
	"slices"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/route"
)

// directory is the lease table as the forwarder sees it.
type directory struct{ m *lease.Manager }

func (d directory) Self() int64 { return d.m.ID() }

// Room names an owner only while its worker is live or leaving: one that leaves serves until it has given the shard away.
func (d directory) Room(room id.RoomID) route.Place {
	t := d.m.Table()
	l := t.Lease(t.ShardOf(room))
	p := route.Place{Shard: l.Shard, Epoch: l.Epoch}
	if w, ok := t.Worker(l.Owner); ok {
		p.Owner = destination(w)
	}
	return p
}

func destination(w lease.Worker) route.Worker {
	return route.Worker{ID: w.ID, Addr: w.Addr, Pulses: w.Protocol >= 2}
}

func (d directory) Alive(worker int64) bool {
	_, ok := d.m.Table().Worker(worker)
	return ok
}

func (d directory) Role(role string) []route.Worker {
	live := d.m.Table().WorkersWithRole(role)
	workers := make([]route.Worker, len(live))
	for i, w := range live {
		workers[i] = destination(w)
	}
	return reaching(workers, d.Self(), d.m.Silence())
}

// cutOff is the silence of the database after which a worker takes itself for cut off.
const cutOff = 2500 * time.Millisecond

// reaching leaves this worker out, whom its own gateway would prefer, while it is cut off from the database and there are
// others to ask.
func reaching(workers []route.Worker, self int64, silence time.Duration) []route.Worker {
	if silence < cutOff || len(workers) < 2 {
		return workers
	}
	return slices.DeleteFunc(workers, func(w route.Worker) bool { return w.ID == self })
}

func (d directory) Refresh(ctx context.Context) error { return d.m.Refresh(ctx) }

func (d directory) Outdated() { d.m.Nudged() }

// successorLimit is how long after its death a worker's container is waited for: the kubelet starts it at once, and again
// only 10 s later.
const successorLimit = 10 * time.Second

func (d directory) Awaited(ctx context.Context, role string) (bool, error) {
	return d.m.Bereaved(ctx, role, successorLimit)
}

func (d directory) Changed() <-chan struct{} { return d.m.Changed() }

func (d directory) Suspect(worker int64, why route.Evidence) {
	d.m.Suspect(worker, map[route.Evidence]lease.Evidence{
		route.Refused: lease.Refused, route.OtherWorker: lease.OtherWorker, route.Silent: lease.Unreachable,
	}[why])
}
