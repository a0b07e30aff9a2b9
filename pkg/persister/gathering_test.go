package persister

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
)

// A timedLane is a lane in a bubble, and its room, whose commits take as long as they are told.
type timedLane struct {
	*lane
	t     *testing.T
	store *memoryStore
	room  id.RoomID
}

// inTime lets f have a lane that has just committed its room's events: a block of one.
func inTime(t *testing.T, f func(*timedLane)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &memoryStore{}
		l := &timedLane{lane: startLane(t, s), t: t, store: s}
		l.room, _ = queueNewRoom(t, l.lane)
		l.commit(time.Second, 1)
		f(l)
	})
}

// send queues messages and lets them have their turn.
func (l *timedLane) send(n int) {
	l.t.Helper()
	for i := range n {
		queueMessage(l.t, l.lane, l.room, fmt.Sprint(i))
	}
	synctest.Wait()
}

// finish ends the commit that began, in so long.
func (l *timedLane) finish(took time.Duration) {
	time.Sleep(took)
	l.store.proceed <- struct{}{}
	synctest.Wait()
}

// commit takes a block of so many writes to its end, in so long.
func (l *timedLane) commit(took time.Duration, writes int) {
	l.t.Helper()
	l.after(writes)
	l.finish(took)
}

// after is how long a block of so many writes waited for the committer, which was idle.
func (l *timedLane) after(writes int) time.Duration {
	l.t.Helper()
	start := time.Now()
	require.Len(l.t, (<-l.store.began).writes, writes)
	return time.Since(start)
}

// spend lets the lane use up its share of time: one who sends a message whenever the last is answered, and is not made to
// wait. All its commits take 2 ms; the next gathering lasts for maxGather.
func (l *timedLane) spend() {
	l.t.Helper()
	for range 20 {
		l.send(1)
		require.Zero(l.t, l.after(1))
		l.finish(2 * time.Millisecond)
	}
}

// three commits a message in so long, and three that came meanwhile in a block, as late as any; that takes so long, too.
func (l *timedLane) three(took time.Duration) {
	l.t.Helper()
	l.send(1)
	require.Zero(l.t, l.after(1))
	l.send(3)
	l.finish(took)
	require.Equal(l.t, maxGather, l.after(3))
	l.finish(took)
}

func TestALoneEventWaitsForNothing(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.spend()
		l.three(2 * time.Millisecond)
		time.Sleep(maxGather)
		l.spend()
	})
}

func TestALaneThatHasTimeDoesNotWait(t *testing.T) {
	inTime(t, func(l *timedLane) {
		for range 50 { // two blocks, 4 ms of 20
			l.send(1)
			require.Zero(t, l.after(1))
			l.send(1)
			l.finish(2 * time.Millisecond)
			require.Zero(t, l.after(1))
			l.finish(2 * time.Millisecond)
			time.Sleep(16 * time.Millisecond)
		}
	})
}

func TestALaneThatHasNoTimeWaitsForThoseItHasJustAnswered(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.spend()
		l.three(2 * time.Millisecond)
		l.send(2)
		require.Equal(t, 8*time.Millisecond, l.after(2), "the commit counts as 10 ms, of which 2 have passed")
	})
}

func TestALaneWaitsNoLongerThanForAsManyAsItAnswered(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.spend()
		l.three(2 * time.Millisecond)
		l.send(2)
		time.Sleep(time.Millisecond)
		l.send(1)
		require.Zero(t, l.after(3))
	})
}

func TestALaneWaitsForThoseItAnsweredBesideThoseWhoCameMeanwhile(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.spend()
		l.send(1)
		require.Zero(t, l.after(1))
		l.send(2)
		l.finish(2 * time.Millisecond)
		l.send(1)
		require.Zero(t, l.after(3), "one was answered, and two came meanwhile")
	})
}

func TestASlowCommitPutsOffTheNextByALimitedTime(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.spend()
		l.three(20 * time.Millisecond)
		l.send(1)
		require.Equal(t, maxGather-20*time.Millisecond, l.after(1), "while it committed it waited, too")
	})
}

func TestALaneDoesNotWaitOnceItHasWaited(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.spend()
		l.three(2 * time.Millisecond)
		time.Sleep(8 * time.Millisecond)
		l.send(1)
		require.Zero(t, l.after(1))
	})
}

func TestALaneDoesNotWaitForMoreThanEnough(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.spend()
		l.send(1)
		require.Zero(t, l.after(1))
		l.send(gatherEnough + 6)
		l.finish(2 * time.Millisecond)
		l.commit(2*time.Millisecond, gatherEnough+6)
		l.send(gatherEnough - 1)
		l.send(1)
		require.Zero(t, l.after(gatherEnough))
	})
}

// What takes no more has nothing to wait for, whether there is more or not.
func TestALaneDoesNotWaitWithAFullBlock(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.spend()
		l.three(2 * time.Millisecond)
		l.maxWrites = 2
		l.send(2)
		require.Zero(t, l.after(2))
	})
	t.Run("that one does not fit into", func(t *testing.T) {
		inTime(t, func(l *timedLane) {
			l.spend()
			l.three(2 * time.Millisecond)
			for range 2 {
				l.queueOfSize(maxBlockBytes)
			}
			synctest.Wait()
			require.Zero(t, l.after(1))
		})
	})
}

// Whoever is to own a shard next waits for what is in a block of it.
func TestAHandoffDoesNotWaitForMore(t *testing.T) {
	for name, o := range map[string]order{
		"of the shard": {kind: quiesce, done: make(chan struct{})}, "of copies": {kind: copyOut, out: newOutgoing()},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(l *timedLane) {
				l.spend()
				l.three(2 * time.Millisecond)
				l.send(1)
				l.orders.give(o)
				require.Zero(t, l.after(1))
			})
		})
	}
}

// queueOfSize queues a message that counts as so many bytes.
func (l *timedLane) queueOfSize(bytes int) {
	w := &write{ctx: l.t.Context(), room: l.room, size: bytes, decide: aMessage("large"), answer: make(chan answer, 1)}
	require.NoError(l.t, l.queue.push(w, time.Now()))
}
