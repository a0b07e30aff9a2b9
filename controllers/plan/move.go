package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// A Notice becomes a Kubernetes Event. Warning says that somebody may have to do something.
type Notice struct {
	Reason, Message string
	Warning         bool
	// Pod that it is about besides; empty: none.
	Pod string
}

// Members are the workers of a homeserver, by id, as one of them told.
type Members struct {
	state   map[int64]admin.Worker
	leaving map[int64]int // those that drain or have drained, with the number of shards that they own
}

// MembersOf an answer. before is what the answer before it gave, nil if there was none.
func MembersOf(told admin.Status, before *Members) *Members {
	w := &Members{state: map[int64]admin.Worker{}, leaving: map[int64]int{}}
	for _, x := range told.Workers {
		w.state[x.ID] = x
		if x.State == admin.StateLeaving {
			w.leaving[x.ID] = x.Shards
		}
		if before == nil {
			continue
		}
		if _, was := before.leaving[x.ID]; was && x.State == admin.StateDead {
			w.leaving[x.ID] = 0 // it is listed for some minutes more
		}
	}
	return w
}

// Drains tells of workers that have begun or ended to drain since before, also of those that did both in between. Nothing
// is told of the first answer.
func (w *Members) Drains(before *Members) []Notice {
	if before == nil {
		return nil
	}
	var all []Notice
	for id, shards := range w.leaving {
		had, was := before.leaving[id]
		x := w.state[id]
		if !was && x.State == admin.StateLeaving {
			all = append(all, Notice{Reason: v1alpha1.EventDraining, Pod: x.Pod,
				Message: fmt.Sprintf("Worker %d (%s) gives its shards away and takes no more; it owns %d.", id, x.Pod, shards)})
			had = max(shards, 1)
		}
		if had > 0 && shards == 0 {
			all = append(all, Notice{Reason: v1alpha1.EventDrained, Pod: x.Pod,
				Message: fmt.Sprintf("Worker %d (%s) was draining and owns no shard any more.", id, x.Pod)})
		}
	}
	for id, x := range w.state {
		was, known := before.state[id]
		if known && was.State == admin.StateLive && x.Ended == admin.EndedDrained {
			all = append(all, Notice{Reason: v1alpha1.EventDrained, Pod: x.Pod,
				Message: fmt.Sprintf("Worker %d (%s) was told to leave, gave all its shards away and left; it had owned %d.", id, x.Pod, was.Shards)})
		}
	}
	slices.SortFunc(all, func(a, b Notice) int { return cmp.Compare(a.Message, b.Message) })
	return all
}

// A Move is a change of a shard's owner.
type Move struct {
	Shard    int32
	Reason   string
	From, To string // pods; empty: nobody
	Epoch    int64
}

// MoveOf compares a shard's status with what was told of it; nil if the owner is the same, or none was known before. A
// worker that has ended is taken to have been taken over from, unless it is told or was seen that it drained.
func (w *Members) MoveOf(number int32, before v1alpha1.EventPersisterShardStatus, now admin.Shard) *Move {
	if before.Epoch == 0 || before.OwnerID == now.Owner {
		return nil
	}
	m := &Move{Shard: number, From: before.Owner, To: now.OwnerPod, Epoch: now.Epoch}
	old, known := w.state[before.OwnerID]
	_, leaving := w.leaving[before.OwnerID]
	switch {
	case now.Owner == 0:
		m.Reason = v1alpha1.EventUnowned
	case before.OwnerID == 0:
		m.Reason, m.From = v1alpha1.EventAdopted, ""
	case leaving, known && old.State != admin.StateDead, old.Ended == admin.EndedDrained:
		m.Reason = v1alpha1.EventHandedOff
	default:
		m.Reason = v1alpha1.EventTakenOver
	}
	return m
}

// Notice of the move, for the shard's own resource.
func (m Move) Notice() Notice {
	n := Notice{Reason: m.Reason, Pod: m.To}
	switch m.Reason {
	case v1alpha1.EventUnowned:
		n.Warning, n.Pod = true, m.From
		n.Message = fmt.Sprintf("%s has given the shard up, and no other worker has it yet.", m.From)
	case v1alpha1.EventAdopted:
		n.Message = fmt.Sprintf("%s has the shard, which nobody owned, since epoch %d.", m.To, m.Epoch)
	case v1alpha1.EventHandedOff:
		n.Message = fmt.Sprintf("%s handed the shard over to %s, epoch %d.", m.From, m.To, m.Epoch)
	default:
		n.Warning = true
		n.Message = fmt.Sprintf("%s has the shard since epoch %d: its owner %s has ended.", m.To, m.Epoch, m.From)
	}
	return n
}

// Summaries tell of moves for the Homeserver: one a reason and pod that lost the shards.
func Summaries(moves []Move) []Notice {
	type group struct{ reason, from string }
	shards, to := map[group][]string{}, map[group][]string{}
	var groups []group
	for _, m := range moves {
		g := group{m.Reason, m.From}
		if shards[g] == nil {
			groups = append(groups, g)
		}
		shards[g] = append(shards[g], fmt.Sprint(m.Shard))
		if m.To != "" && !slices.Contains(to[g], m.To) {
			to[g] = append(to[g], m.To)
		}
	}
	var all []Notice
	for _, g := range groups {
		numbers, targets := strings.Join(shards[g], ", "), strings.Join(to[g], ", ")
		if len(to[g]) > 4 {
			targets = fmt.Sprintf("%d workers", len(to[g]))
		}
		n := Notice{Reason: g.reason, Pod: g.from, Warning: g.reason == v1alpha1.EventUnowned || g.reason == v1alpha1.EventTakenOver}
		switch g.reason {
		case v1alpha1.EventUnowned:
			n.Message = fmt.Sprintf("%s has given up %d shards, and no other worker has them yet (%s).", g.from, len(shards[g]), numbers)
		case v1alpha1.EventAdopted:
			n.Message = fmt.Sprintf("%s took %d shards that nobody owned (%s).", targets, len(shards[g]), numbers)
		case v1alpha1.EventHandedOff:
			n.Message = fmt.Sprintf("%s handed %d shards over to %s (%s).", g.from, len(shards[g]), targets, numbers)
		default:
			n.Message = fmt.Sprintf("%s took over %d shards of %s, which has ended (%s).", targets, len(shards[g]), g.from, numbers)
		}
		all = append(all, n)
	}
	return all
}
