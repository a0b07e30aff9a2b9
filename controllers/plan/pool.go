package plan

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// PoolAction is what to do about a pool's Deployment.
type PoolAction int

const (
	// PoolHold leaves everything as it is.
	PoolHold PoolAction = iota
	// PoolScale changes the number of replicas of what runs already, and nothing else.
	PoolScale
	// PoolApply makes the Deployment what it should be.
	PoolApply
)

// HomeserverForPool is what a pool needs to know of its Homeserver.
type HomeserverForPool struct {
	// Observed: the Homeserver's status is about its present spec. Verified: its database is verified for it.
	Observed, Verified bool
	Reason             string // why not verified
}

// Pool decides about a Deployment. Workers start, and change, only for a database that was verified with the very image
// and secrets that they will have; until then a pool that runs can still be scaled.
func Pool(name string, hs *HomeserverForPool, exists bool) (PoolAction, *Verdict) {
	if hs == nil {
		v := no(v1alpha1.ReasonHomeserverMissing, fmt.Sprintf("There is no Homeserver %q in this namespace: apply it, or name another in homeserverRef.", name))
		return PoolHold, &v
	}
	if hs.Observed && hs.Verified {
		return PoolApply, nil
	}
	message := fmt.Sprintf("The database of Homeserver %q is not verified yet: wait, or look at its condition DatabaseReady.", name)
	if hs.Reason != "" {
		message = fmt.Sprintf("The database of Homeserver %q is not verified (%s): see its condition DatabaseReady.", name, hs.Reason)
	}
	v := no(v1alpha1.ReasonWaitingForDatabase, message)
	if exists {
		return PoolScale, &v
	}
	return PoolHold, &v
}

// DeploymentSeen is what was seen of a pool's Deployment.
type DeploymentSeen struct {
	Observed                 bool // its status is about its present spec
	Replicas, Ready, Updated int32
	Stuck                    string // why the rollout does not get on; empty: it does
	Failure                  string // why pods cannot be made; empty: they can
}

// PoolReady judges a pool. waiting is what Pool said, d is nil if there is no Deployment, scaling is what Scale waits for.
func PoolReady(desired int32, waiting *Verdict, d *DeploymentSeen, scaling string) (ready Verdict, reconciling, stalled *Verdict) {
	if d == nil {
		if waiting == nil {
			v := no(v1alpha1.ReasonRollingOut, "The Deployment is being made: wait for it.")
			waiting = &v
		}
		return *waiting, waiting, nil
	}
	count := fmt.Sprintf("%d of %d workers are ready", d.Ready, desired)
	reconciling = waiting
	switch {
	case d.Stuck != "":
		ready = no(v1alpha1.ReasonRolloutStuck, count+"; look at the pool's pods: "+sentence(d.Stuck))
		return ready, nil, &ready
	case d.Failure != "":
		ready = no(v1alpha1.ReasonReplicasNotReady, count+"; look at the namespace's quotas and policies: "+sentence(d.Failure))
	case d.Ready < desired:
		ready = no(v1alpha1.ReasonReplicasNotReady, count+": wait, or look at the pods of the others.")
	case d.Replicas > desired && scaling != "":
		ready = yes(v1alpha1.ReasonRollingOut, fmt.Sprintf("%d workers are ready, %d are wanted: %s.", d.Ready, desired, scaling))
		if reconciling == nil {
			reconciling = &ready
		}
	case !d.Observed || d.Updated < desired || d.Replicas > d.Updated || d.Replicas > desired:
		ready = yes(v1alpha1.ReasonRollingOut, count+"; older ones are being replaced or stopped.")
		if reconciling == nil {
			reconciling = &ready
		}
	case desired == 0:
		ready = yes(v1alpha1.ReasonScaledToZero, "The pool is scaled to 0.")
	default:
		ready = yes(v1alpha1.ReasonAllReplicasReady, count+".")
	}
	if reconciling == nil && ready.Status == metav1.ConditionFalse {
		reconciling = &ready
	}
	return ready, reconciling, nil
}

// Refused is the verdict for a pool whose Deployment the API server, or what it asks, does not accept.
func Refused(why string) Verdict {
	return no(v1alpha1.ReasonDeploymentRefused, "The API server refuses the pool's Deployment; mend the spec, or the namespace's quotas and policies: "+sentence(why))
}

// NameTaken is the verdict for an object of this kind that would have to make what somebody else has by the same name.
func NameTaken(kind, why string) Verdict {
	return no(v1alpha1.ReasonNameTaken, fmt.Sprintf("The operator leaves alone what is not its own; choose another name for the %s, or remove what has the name: %s", kind, sentence(why)))
}
