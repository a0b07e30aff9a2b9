package main

import (
	"context"
	"errors"
	"time"
)

var stolenScenarios = []Scenario{
	{Name: "stolen", About: "leases change owner, or epoch only, behind the back of an owner whose heart and lanes work", Short: true, Run: stolen},
}

// steal does to one busy shard what a takeover does, but declares nobody dead and ends no session: only the fence stands
// between its late owner and the table.
const steal = `
UPDATE shard_lease s SET owner = $2, epoch = s.epoch + 1, claimed = false, target = NULL, changed_at = clock_timestamp()
WHERE space = 'room' AND shard_id = $1 AND claimed`

// raise lets the owner's epoch grow behind its back, as a change of the map from rooms to shards does.
const raise = `UPDATE shard_lease s SET epoch = s.epoch + 1 WHERE space = 'room' AND shard_id = $1 AND claimed`

func stolen(ctx context.Context, r *Run) error {
	failed, err := r.planned(ctx, Fleet{Persisters: 3, Gateways: 2, Syncs: 1, Shards: 12}, Traffic{Rate: 100})
	if err != nil {
		return err
	}
	byShard, err := r.Rooms(ctx)
	if err != nil {
		return err
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	thefts := 0
	for began := time.Now(); time.Since(began) < 8*time.Second; {
		if err := r.moment(ctx, 200*time.Millisecond); err != nil {
			return err
		}
		s, err := r.Status(ctx)
		if err != nil {
			return err
		}
		shard := s.Shards[r.Rand.IntN(len(s.Shards))]
		to := r.Persisters[r.Rand.IntN(len(r.Persisters))]
		if len(byShard[shard.ID]) == 0 || !shard.Claimed {
			continue
		}
		var tag interface{ RowsAffected() int64 }
		if to.Name == shard.OwnerPod {
			tag, err = conn.Exec(ctx, raise, shard.ID)
		} else {
			tag, err = conn.Exec(ctx, steal, shard.ID, workerID(s, to))
		}
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 1 {
			r.Mark("shard %d of %s is %s's", shard.ID, shard.OwnerPod, to.Name)
			thefts++
		}
	}
	r.Say("%d leases changed", thefts)
	if thefts == 0 {
		return errors.New("nothing was stolen")
	}
	return none(failed())
}
