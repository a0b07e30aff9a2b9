package plan_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
	"github.com/myelin-hs/myelin/pkg/admin"
)

func told(workers ...admin.Worker) admin.Status { return admin.Status{Workers: workers} }

func worker(id int64, state string, shards int) admin.Worker {
	return admin.Worker{ID: id, Pod: fmt.Sprintf("p-%d", id), State: state, Shards: shards}
}

func TestMoves(t *testing.T) {
	t.Parallel()
	live, drains, dead := worker(1, admin.StateLive, 2), worker(1, admin.StateLeaving, 2), worker(1, admin.StateDead, 0)
	drained := worker(1, admin.StateDead, 0)
	dead.Ended, drained.Ended = admin.EndedDied, admin.EndedDrained
	known := v1alpha1.EventPersisterShardStatus{Owner: "p-1", OwnerID: 1, Epoch: 4}
	to := admin.Shard{Owner: 2, OwnerPod: "p-2", Epoch: 5}
	for name, test := range map[string]struct {
		earlier, told admin.Status
		before        v1alpha1.EventPersisterShardStatus
		now           admin.Shard
		reason        string // empty: nothing happened
		says          string
	}{
		"the same owner":          {told: told(live), before: known, now: admin.Shard{Owner: 1, Epoch: 4}},
		"never reported before":   {told: told(live), now: to},
		"from one that lives":     {told: told(live), before: known, now: to, reason: v1alpha1.EventHandedOff, says: "p-1 handed the shard over to p-2, epoch 5."},
		"from one that drains":    {told: told(drains), before: known, now: to, reason: v1alpha1.EventHandedOff},
		"from one that is dead":   {told: told(dead), before: known, now: to, reason: v1alpha1.EventTakenOver, says: "p-2 has the shard since epoch 5: its owner p-1 has ended."},
		"from one that is gone":   {told: told(), before: known, now: to, reason: v1alpha1.EventTakenOver},
		"from one that drained":   {earlier: told(drains), told: told(dead), before: known, now: to, reason: v1alpha1.EventHandedOff},
		"drained between answers": {earlier: told(live), told: told(drained), before: known, now: to, reason: v1alpha1.EventHandedOff},
		"drained long before":     {told: told(drained), before: known, now: to, reason: v1alpha1.EventHandedOff},
		"to nobody":               {told: told(dead), before: known, now: admin.Shard{Epoch: 5}, reason: v1alpha1.EventUnowned, says: "p-1 has given the shard up"},
		"from nobody":             {told: told(), before: v1alpha1.EventPersisterShardStatus{Epoch: 4}, now: to, reason: v1alpha1.EventAdopted, says: "nobody owned"},
		"to the pod's next start": {told: told(dead), before: known, now: admin.Shard{Owner: 3, OwnerPod: "p-1", Epoch: 5}, reason: v1alpha1.EventTakenOver},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			move := plan.MembersOf(test.told, plan.MembersOf(test.earlier, nil)).MoveOf(7, test.before, test.now)
			if test.reason == "" {
				require.Nil(t, move)
				return
			}
			require.Equal(t, test.reason, move.Reason)
			n := move.Notice()
			require.Equal(t, test.reason, n.Reason)
			require.Contains(t, n.Message, test.says)
			require.Equal(t, test.reason == v1alpha1.EventTakenOver || test.reason == v1alpha1.EventUnowned, n.Warning)
			require.Equal(t, n.Warning, plan.Summaries([]plan.Move{*move})[0].Warning)
		})
	}
}

func TestSummariesAreOneALoser(t *testing.T) {
	t.Parallel()
	var moves []plan.Move
	for i := range int32(100) {
		moves = append(moves, plan.Move{Shard: i, Reason: v1alpha1.EventTakenOver, From: "p-1", To: fmt.Sprintf("p-%d", 2+i%2), Epoch: 5})
	}
	moves = append(moves, plan.Move{Shard: 3, Reason: v1alpha1.EventAdopted, To: "p-2"})
	all := plan.Summaries(moves)
	require.Len(t, all, 2)
	require.Contains(t, all[0].Message, "p-2, p-3 took over 100 shards of p-1, which has ended (0, 1, ")
	require.Less(t, len(all[0].Message), 1024)
	require.Equal(t, "p-2 took 1 shards that nobody owned (3).", all[1].Message)
}

func TestDrainIsToldOnceAtEachEnd(t *testing.T) {
	t.Parallel()
	reasons := func(before *plan.Members, answers ...admin.Status) (all []string) {
		for _, a := range answers {
			now := plan.MembersOf(a, before)
			for _, n := range now.Drains(before) {
				all = append(all, n.Reason)
			}
			before = now
		}
		return all
	}
	first := plan.MembersOf(told(worker(1, admin.StateLive, 9)), nil)
	leaves := func(shards int) admin.Status { return told(worker(1, admin.StateLeaving, shards)) }
	gone := told(worker(1, admin.StateDead, 0))
	both := []string{v1alpha1.EventDraining, v1alpha1.EventDrained}
	require.Equal(t, both, reasons(first, leaves(9), leaves(4), leaves(0), leaves(0), gone, gone, told()))
	require.Equal(t, both, reasons(first, leaves(9), gone, gone))
	require.ElementsMatch(t, both, reasons(first, leaves(0), gone))
	require.Empty(t, reasons(first, gone), "it did not drain")
	left := worker(1, admin.StateDead, 0)
	left.Ended = admin.EndedDrained
	require.Equal(t, both, reasons(first, leaves(9), told(left), told(left)))
	require.Equal(t, []string{v1alpha1.EventDrained}, reasons(first, told(left), told(left)), "within one poll")
	require.Empty(t, reasons(nil, leaves(9)), "nothing is known from before")
}
