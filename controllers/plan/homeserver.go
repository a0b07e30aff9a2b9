package plan

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// PoolSeen is what a Homeserver needs to know of one of its WorkerPools.
type PoolSeen struct {
	Name           string
	Roles          []v1alpha1.Role
	Desired, Ready int32
}

// Workers checks that each required role has a ready worker.
func Workers(pools []PoolSeen) Verdict {
	var missing, down, names []string
	for _, role := range v1alpha1.RequiredRoles {
		var having []string
		ready := false
		for _, p := range pools {
			if slices.Contains(p.Roles, role) {
				having = append(having, p.Name)
				ready = ready || p.Ready > 0
			}
		}
		switch {
		case len(having) == 0:
			missing = append(missing, string(role))
		case !ready:
			down = append(down, string(role))
			names = append(names, having...)
		}
	}
	if len(missing) > 0 {
		return no(v1alpha1.ReasonRoleMissing, "No WorkerPool has the role "+strings.Join(missing, ", ")+": apply one.")
	}
	if len(down) > 0 {
		slices.Sort(names)
		return no(v1alpha1.ReasonWorkersNotReady, fmt.Sprintf("No worker with the role %s is ready: look at the WorkerPool %s.",
			strings.Join(down, ", "), strings.Join(slices.Compact(names), ", ")))
	}
	return yes(v1alpha1.ReasonWorkersReady, "Every role has a ready worker.")
}

// CountWorkers sums up the pools.
func CountWorkers(pools []PoolSeen) *v1alpha1.WorkersStatus {
	var w v1alpha1.WorkersStatus
	for _, p := range pools {
		w.Desired += p.Desired
		w.Ready += p.Ready
	}
	w.Summary = fmt.Sprintf("%d/%d", w.Ready, w.Desired)
	return &w
}

// Shards checks that all shards are claimed, given the Ready conditions of the EventPersisterShards that exist.
func Shards(total int32, seen []metav1.ConditionStatus) (Verdict, *v1alpha1.ShardsStatus) {
	s := &v1alpha1.ShardsStatus{Total: total}
	known := int32(0)
	for _, status := range seen {
		switch status {
		case metav1.ConditionTrue:
			s.Claimed++
			known++
		case metav1.ConditionFalse:
			known++
		}
	}
	s.Summary = fmt.Sprintf("%d/%d", s.Claimed, s.Total)
	switch {
	case s.Claimed >= total:
		return yes(v1alpha1.ReasonShardsClaimed, "Every shard is claimed by a worker."), s
	case known == 0:
		return unknown(v1alpha1.ReasonStatusUnknown, "No worker has told yet who owns the shards: wait, or look at the WorkerPools."), s
	default:
		return no(v1alpha1.ReasonShardsUnclaimed, fmt.Sprintf(
			"%d of %d shards are claimed: rooms in the others cannot be written to for the moment; see kubectl myelin status.", s.Claimed, total)), s
	}
}

// HomeserverSeen are the verdicts that Ready is made of, in the order in which they matter.
type HomeserverSeen struct {
	Secrets, Database, Workers, Shards Verdict
	// Recorded: the database was verified before, so workers may be running while it is verified again.
	Recorded bool
	// AllReady: every pool has all its workers.
	AllReady bool
	URL      string
	// Stuck says what cannot be made that the homeserver needs; nil: nothing.
	Stuck *Verdict
}

// ObjectRefused is the verdict for a Homeserver for which the API server, or what it asks, does not accept what it needs.
func ObjectRefused(why string) Verdict {
	return no(v1alpha1.ReasonObjectRefused, "The API server refuses what the Homeserver needs; mend the spec, or the namespace's quotas and policies: "+sentence(why))
}

// Homeserver sums up.
func Homeserver(in HomeserverSeen) (ready Verdict, reconciling, stalled *Verdict) {
	ready = yes(v1alpha1.ReasonReady, "The homeserver serves clients at "+in.URL+".")
	verifying := in.Database.Status == metav1.ConditionUnknown
	for _, v := range []Verdict{in.Secrets, in.Database, in.Workers, in.Shards} {
		if v.Is() || verifying && in.Recorded && v == in.Database {
			continue
		}
		ready = Verdict{metav1.ConditionFalse, v.Reason, v.Message}
		break
	}
	if in.Stuck != nil && !ready.Is() {
		ready = *in.Stuck
	}
	switch {
	case in.Stuck != nil:
		stalled = in.Stuck
	case in.Secrets.Status == metav1.ConditionFalse:
		stalled = &in.Secrets
	case in.Database.Status == metav1.ConditionFalse:
		stalled = &in.Database
	case verifying:
		reconciling = &in.Database
	case in.Workers.Reason == v1alpha1.ReasonRoleMissing:
		stalled = &in.Workers
	case !ready.Is():
		reconciling = &ready
	case !in.AllReady:
		reconciling = &Verdict{Reason: v1alpha1.ReasonReplicasNotReady, Message: "Some workers are not ready yet: wait, or look at the WorkerPools."}
	}
	return ready, reconciling, stalled
}
