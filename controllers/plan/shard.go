package plan

import (
	"fmt"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// Shard judges one shard from what a worker reported; nil if no worker knows it.
func Shard(s *admin.Shard) Verdict {
	switch {
	case s == nil:
		return unknown(v1alpha1.ReasonStatusUnknown, "The workers do not know this shard: delete it if its number is not below the Homeserver's spec.shards, or wait for a worker that knows it.")
	case s.Owner == 0:
		return no(v1alpha1.ReasonUnowned, "No worker owns the shard, so its rooms cannot be written to: scale up a WorkerPool with the role persister, or look at why none of its workers is ready.")
	case !s.Claimed:
		return no(v1alpha1.ReasonUnclaimed, fmt.Sprintf("The shard was given to %s, which has not taken it up yet: wait, or look at that pod.", s.OwnerPod))
	default:
		return yes(v1alpha1.ReasonClaimed, "The shard's rooms are written by "+s.OwnerPod+".")
	}
}

// ShardUnreported is the verdict while no worker answers.
func ShardUnreported(err error) Verdict {
	message := "No worker is ready that could tell who owns the shard: look at the WorkerPools."
	if err != nil {
		message = "No worker could be asked who owns the shard, so the last known owner is shown: look at the operator's log and the workers' pods."
	}
	return unknown(v1alpha1.ReasonStatusUnknown, message)
}

// MissingShards are the numbers below total that are not in have.
func MissingShards(total int32, have map[int32]bool) []int32 {
	var missing []int32
	for i := range total {
		if !have[i] {
			missing = append(missing, i)
		}
	}
	return missing
}
