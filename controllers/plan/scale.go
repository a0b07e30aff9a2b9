package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// scaleAgain is how soon a pool that is being scaled down is looked at again.
	scaleAgain = time.Second
	// drainPatience is how long a worker may take to give everything away; then its pod is stopped as it is, and what it
	// still owns is handed over on SIGTERM, or taken over.
	drainPatience = time.Minute
	// askPatience is how many questions in a row the workers may leave unanswered.
	askPatience = 5
)

// Holding is what the newest worker in a pod holds.
type Holding int

const (
	// HoldsNothing: it has drained or died, or there is none.
	HoldsNothing Holding = iota
	// HoldsSome: it gives its shards away.
	HoldsSome
	// HoldsAll: it lives.
	HoldsAll
)

// PodSeen is a pod of a pool that is not being deleted.
type PodSeen struct {
	Name    string
	Ready   bool
	Created time.Time
	Worker  Holding
	Shards  int // that its worker owns
	// Leaving is since when the operator has it marked to be stopped; zero: it has not. Cheap: it is the first that
	// Kubernetes stops.
	Leaving time.Time
	Cheap   bool
}

// PoolSize is what a number of replicas is decided from.
type PoolSize struct {
	// Wanted is what the pool asks for, Replicas what its Deployment has.
	Wanted, Replicas int32
	// Rolling: pods are being replaced by those of another template. Settled: there are as many pods as Replicas.
	Rolling, Settled bool
	Pods             []PodSeen
	// Unanswered counts the questions in a row that no worker has answered; then nothing is known of the pods' workers.
	Unanswered int
	Now        time.Time
}

// PodAction is what to do with a pod.
type PodAction string

const (
	// PodMark says, on the pod, that it is to be stopped.
	PodMark PodAction = "mark"
	// PodUnmark takes that back.
	PodUnmark PodAction = "unmark"
	// PodDrain has its worker give everything away.
	PodDrain PodAction = "drain"
	// PodCheapen makes Kubernetes choose this pod.
	PodCheapen PodAction = "cheapen"
	// PodDelete has it replaced.
	PodDelete PodAction = "delete"
)

// PodStep is one action.
type PodStep struct {
	Pod    string
	Action PodAction
	Why    string
}

// Scaling is what to do about a pool's number of pods: the steps in their order, and after them the number of replicas.
type Scaling struct {
	Steps    []PodStep
	Replicas int32
	// Why says what is waited for, or what was given up; empty: nothing.
	Why string
	// After is when to look again; 0: when something changes.
	After time.Duration
}

// Busy says that pods are being stopped. A rollout that began now could stop those that are to stay.
func (s Scaling) Busy() bool { return s.After > 0 }

// Scale decides how a pool gets the number of pods that it asks for. More are made at once. Before there are fewer, those
// that go, a tenth of the pool at a time, are marked, give everything away and are made the first that Kubernetes stops; each
// of these is to be seen before the next is done, so it can be broken off, and taken up again, after any step. A pod whose
// worker has drained for a scale-down that somebody took back is replaced.
//
// Where there is nobody to give anything to, or nobody to ask, and in a rollout, which stops pods anyway, replicas are only
// counted down: a worker hands over on SIGTERM, too.
func Scale(in PoolSize) Scaling {
	excess := int(in.Replicas - in.Wanted)
	switch {
	case excess <= 0:
		return in.release(Scaling{Replicas: in.Wanted}, in.marked())
	case in.Wanted == 0, in.Rolling:
		return Scaling{Replicas: in.Wanted}
	case len(in.Pods) < int(in.Replicas): // some are not made yet, or cannot be
		return Scaling{Replicas: max(in.Wanted, int32(len(in.Pods))), After: scaleAgain}
	case !in.Settled:
		return Scaling{Replicas: in.Replicas, After: scaleAgain, Why: "pods come and go"}
	case in.Unanswered >= askPatience:
		return Scaling{Replicas: in.Wanted, Why: "no worker answers, so pods are stopped without being drained first"}
	case in.Unanswered > 0:
		return Scaling{Replicas: in.Replicas, After: scaleAgain, Why: "no worker answers yet"}
	}
	leaving := in.marked()
	keep := min(len(leaving), excess)
	d := in.release(Scaling{Replicas: in.Replicas}, leaving[keep:])
	leaving = leaving[:keep]
	d.After = scaleAgain
	for _, p := range in.candidates() {
		if len(leaving) >= min(excess, max(1, int(in.Replicas)/10)) {
			break
		}
		d.step(p, PodMark, fmt.Sprintf("%d pods too many", excess))
		leaving = append(leaving, p)
	}
	var drains []string
	for _, p := range leaving {
		late := !p.Leaving.IsZero() && in.Now.Sub(p.Leaving) >= drainPatience
		switch {
		case p.Leaving.IsZero() && p.Worker == HoldsNothing: // to be seen marked
		case p.Cheap && (late || p.Worker == HoldsNothing): // not if another worker has started in it
			d.Replicas--
		case p.Worker == HoldsNothing:
			d.step(p, PodCheapen, "it holds nothing")
		case late:
			d.step(p, PodCheapen, "it takes too long")
		case p.Worker == HoldsAll:
			d.step(p, PodDrain, fmt.Sprintf("it owns %d shards", p.Shards))
			drains = append(drains, p.Name)
		default:
			drains = append(drains, p.Name)
		}
	}
	d.Why = "pods are stopped"
	if len(drains) > 0 {
		d.Why = strings.Join(drains, ", ") + " gives away what it owns before it is stopped"
	}
	return d
}

// release lets pods go on that need not be stopped any more. One that has begun to drain cannot take that back, as a worker
// that has left never comes back: it is replaced.
func (in PoolSize) release(d Scaling, pods []PodSeen) Scaling {
	for _, p := range pods {
		d.After = scaleAgain
		switch {
		case len(in.Pods) > int(in.Replicas) || in.Unanswered > 0: // it may be the very pod that is being stopped
		case p.Worker == HoldsAll:
			d.step(p, PodUnmark, "it is needed again")
		case p.Worker == HoldsNothing:
			d.step(p, PodDelete, "it is needed again, and has drained: another takes its place")
		}
	}
	return d
}

func (d *Scaling) step(p PodSeen, a PodAction, why string) {
	d.Steps = append(d.Steps, PodStep{p.Name, a, why})
}

// marked are the pods that are marked, those that were first.
func (in PoolSize) marked() []PodSeen {
	var all []PodSeen
	for _, p := range in.Pods {
		if !p.Leaving.IsZero() {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b PodSeen) int { return cmp.Or(a.Leaving.Compare(b.Leaving), cmp.Compare(a.Name, b.Name)) })
	return all
}

// candidates are the pods that are not marked, in the order in which they are given up. Those that are not ready come first,
// as Kubernetes would choose them whatever they cost.
func (in PoolSize) candidates() []PodSeen {
	var all []PodSeen
	for _, p := range in.Pods {
		if p.Leaving.IsZero() {
			all = append(all, p)
		}
	}
	ready := map[bool]int{true: 1}
	slices.SortFunc(all, func(a, b PodSeen) int {
		return cmp.Or(cmp.Compare(ready[a.Ready], ready[b.Ready]), cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.Shards, b.Shards),
			b.Created.Compare(a.Created), cmp.Compare(a.Name, b.Name))
	})
	return all
}
