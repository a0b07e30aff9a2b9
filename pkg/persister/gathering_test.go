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

// began returns what is handed to the committer, after how long.
func (l *timedLane) began() (writes int, after time.Duration) {
	start := time.Now()
	return len((<-l.store.began).writes), time.Since(start)
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
	n, _ := l.began()
	require.Equal(l.t, writes, n)
	l.finish(took)
}

// after is how long a block of so many writes waited for the committer, which was idle.
func (l *timedLane) after(writes int) time.Duration {
	l.t.Helper()
	n, after := l.began()
	require.Equal(l.t, writes, n)
	return after
}

// three commits three messages in one block, in so long.
func (l *timedLane) three(took time.Duration) {
	l.t.Helper()
	l.send(1)
	n, _ := l.began()
	require.Equal(l.t, 1, n)
	l.send(3)
	l.finish(took)
	l.commit(took, 3)
}

func TestALoneEventWaitsForNothing(t *testing.T) {
	inTime(t, func(l *timedLane) {
		for range 3 {
			l.send(1)
			require.Zero(t, l.after(1))
			l.finish(time.Second)
		}
	})
}

func TestALaneWaitsForThoseItHasJustAnswered(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.three(2 * time.Millisecond)
		l.send(2)
		require.Equal(t, 8*time.Millisecond, l.after(2), "four times as long as the commit took")
	})
}

func TestALaneWaitsNoLongerThanForAsManyAsItAnswered(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.three(2 * time.Millisecond)
		l.send(2)
		time.Sleep(time.Millisecond)
		l.send(1)
		require.Zero(t, l.after(3))
	})
}

func TestALaneWaitsForThoseItAnsweredBesideThoseWhoCameMeanwhile(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.send(1)
		n, _ := l.began()
		require.Equal(t, 1, n)
		l.send(2)
		l.finish(2 * time.Millisecond)
		l.send(1)
		require.Zero(t, l.after(3), "one was answered, and two came meanwhile")
	})
}

func TestALaneWaitsForALimitedTime(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.three(time.Second)
		l.send(1)
		require.Equal(t, maxGather, l.after(1))
	})
}

func TestALaneDoesNotWaitOnceItHasNotHeardOfAnyoneForAWhile(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.three(2 * time.Millisecond)
		time.Sleep(8 * time.Millisecond)
		l.send(1)
		require.Zero(t, l.after(1))
	})
}

func TestALaneDoesNotWaitForMoreThanEnough(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.send(1)
		n, _ := l.began()
		require.Equal(t, 1, n)
		l.send(gatherEnough + 6)
		l.finish(2 * time.Millisecond)
		l.commit(2*time.Millisecond, gatherEnough+6)
		l.send(gatherEnough - 1)
		l.send(1)
		require.Zero(t, l.after(gatherEnough))
	})
}

// What takes no more has nothing to wait for.
func TestALaneDoesNotWaitWithAFullBlock(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.three(2 * time.Millisecond)
		for range 2 {
			l.queueOfSize(maxBlockBytes)
		}
		synctest.Wait()
		require.Zero(t, l.after(1))
	})
}

// Whoever is to own a shard next waits for what is in a block of it.
func TestAHandoffDoesNotWaitForMore(t *testing.T) {
	inTime(t, func(l *timedLane) {
		l.three(2 * time.Millisecond)
		l.send(1)
		l.orders.give(order{kind: quiesce, shard: 0, done: make(chan struct{})})
		require.Zero(t, l.after(1))
	})
}

// queueOfSize queues a message that counts as so many bytes.
func (l *timedLane) queueOfSize(bytes int) {
	w := &write{ctx: l.t.Context(), room: l.room, size: bytes, decide: aMessage("large"), answer: make(chan answer, 1)}
	require.NoError(l.t, l.queue.push(w, time.Now()))
}
