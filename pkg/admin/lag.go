package admin

import (
	"slices"
	"time"

	"github.com/myelin-hs/myelin/pkg/lag"
)

// LagPool returns what the status tells of the workers of a WorkerPool that has the roles and is to have so many replicas,
// for lag.Pool.Signal. Shards are the homeserver's: one that moves does so for each of its pools.
func (s Status) LagPool(pool string, roles []string, wanted int) lag.Pool {
	moves := func(s Shard) bool { return !s.Claimed || s.Target != 0 }
	p := lag.Pool{Wanted: wanted, Roles: roles, Moving: slices.ContainsFunc(s.Shards, moves)}
	for _, w := range s.Workers {
		if w.Pool != pool || w.State == StateDead {
			continue
		}
		p.Workers = append(p.Workers, lag.Worker{
			Name: w.Pod, Age: time.Duration(w.AgeMS) * time.Millisecond, Leaving: w.State == StateLeaving,
			Overdue: w.ExpiresInMS < 0, Reading: w.Lag,
		})
	}
	return p
}
