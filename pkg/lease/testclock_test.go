package lease

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// testClock is the clock of a cluster: of its workers and of their database. It moves only where the test waits
// (cluster.eventually, await) or lets time pass (cluster.pass), and waits for every worker that has something to do: the
// machine may be as slow as it likes. Nobody waits for work, or for a heart, that a test lets hang.
type testClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*testTimer]bool // those that are set
}

// workersClock is the clock as one worker has it.
type workersClock struct {
	*testClock
	under atomic.Int64 // how many bounds it has, so how much is under way
}

// testTimer sends its time, or calls f.
type testTimer struct {
	clock *testClock
	at    time.Time
	c     chan time.Time
	f     func()
}

// longestStep bounds by how much the clock moves at once.
const longestStep = 50 * time.Millisecond

// newTestClock shows a time at which the server has been running for an hour.
func newTestClock() *testClock {
	return &testClock{now: time.Now().Add(time.Hour).Round(0), timers: map[*testTimer]bool{}}
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) set(t *testTimer, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.at = c.now.Add(d)
	c.timers[t] = true
	c.fire()
}

func (c *testClock) Timer(d time.Duration) timer {
	t := &testTimer{clock: c, c: make(chan time.Time, 1)}
	c.set(t, d)
	return t
}

func (t *testTimer) C() <-chan time.Time { return t.c }

func (t *testTimer) Reset(d time.Duration) {
	t.Stop()
	t.clock.set(t, d)
}

func (t *testTimer) Stop() {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	delete(t.clock.timers, t)
	select {
	case <-t.c:
	default:
	}
}

// fire lets the timers go off that are due; mu is held.
func (c *testClock) fire() {
	for t := range c.timers {
		if t.at.After(c.now) {
			continue
		}
		delete(c.timers, t)
		if t.f != nil {
			t.f()
		} else {
			t.c <- c.now
		}
	}
}

func (w *workersClock) Bound(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	bounded, cancel := context.WithCancelCause(ctx)
	t := &testTimer{clock: w.testClock, f: func() { cancel(context.DeadlineExceeded) }}
	w.under.Add(1)
	w.set(t, d)
	var once sync.Once
	return bounded, func() {
		once.Do(func() {
			t.Stop()
			cancel(nil)
			w.under.Add(-1)
		})
	}
}

// step moves the clock to the next timer, at most by longest, the database's first. A database that is away keeps
// it.
func (c *testClock) step(ctx context.Context, db *pgxpool.Pool, longest time.Duration) {
	c.mu.Lock()
	next := c.now.Add(longest)
	for t := range c.timers {
		if t.at.Before(next) {
			next = t.at
		}
	}
	c.mu.Unlock()
	if pgtest.SetClock(ctx, db, next) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = next
	c.fire()
}

// calm says that the clock may move: nothing is under way at any worker. A worker that has something to begin, a heartbeat
// or what it was woken for, gets a moment of the machine's time to begin it, before each step; so does one that joins. What
// a test lets hang is waited for no longer than a step takes on the machine's clock, a heart that hangs not at all.
func (c *cluster) calm() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	var moment time.Duration
	if c.joining.Load() > 0 { // nothing else says that it is at work
		moment = time.Second / 4
	}
	for _, n := range c.nodes {
		if n.ended.Load() || n.heartHangs.Load() {
			continue
		}
		attempted := max(n.beaten.Load(), n.steady.Load())
		switch {
		case n.clock.under.Load() > 0 && !n.hangs.Load():
			return false
		case n.elapsed()-attempted > int64(n.timing.heartbeat+longestStep):
			moment = time.Second / 4
		case n.clock.under.Load() > 0:
			moment = max(moment, longestStep)
		case len(n.kicked)+len(n.woken)+len(n.quiesced)+len(n.nudges)+len(n.suspected) > 0:
			moment = time.Second / 4
		}
	}
	if moment > 0 && c.late.IsZero() {
		c.late = time.Now()
	}
	if moment > 0 && time.Since(c.late) < moment {
		return false
	}
	c.late = time.Time{}
	return true
}

// patience is how long a test waits for what must come, by the machine's time: it only ends a hang.
const patience = time.Minute

// until lets time pass, at most so much at once, until ok, or until its patience ends.
func (c *cluster) until(ok func() bool, longest func() time.Duration) bool {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	pause := time.NewTicker(time.Millisecond) // in which who was woken begins its work
	defer pause.Stop()
	for !ok() {
		if c.calm() {
			c.clock.step(c.t.Context(), c.db, longest())
		}
		select {
		case <-limit.C:
			return false
		case <-pause.C:
		}
	}
	return true
}

// pass lets so much time pass.
func (c *cluster) pass(d time.Duration) {
	c.t.Helper()
	end := c.clock.Now().Add(d)
	left := func() time.Duration { return end.Sub(c.clock.Now()) }
	require.True(c.t, c.until(func() bool { return left() <= 0 }, func() time.Duration { return min(left(), longestStep) }), "time does not pass")
}

// Refresh is the Manager's, with an end to its wait for a beat that never comes.
func (n *node) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return n.Manager.Refresh(ctx)
}

// Move is the Manager's, while time passes.
func (n *node) Move(ctx context.Context, shard int, to int64) (moved Moved, err error) {
	await(n.c, func() struct{} { moved, err = n.Manager.Move(ctx, shard, to); return struct{}{} })
	return moved, err
}

// Drain is the Manager's, while time passes.
func (n *node) Drain(ctx context.Context) error {
	return await(n.c, func() error { return n.Manager.Drain(ctx) })
}

// end is what Run returns, while time passes.
func (n *node) end() error { return await(n.c, func() error { return <-n.err }) }

// await lets time pass until f has returned.
func await[T any](c *cluster, f func() T) T {
	c.t.Helper()
	done := make(chan T, 1)
	go func() { done <- f() }()
	c.eventually("it returns", func() bool { return len(done) == 1 })
	return <-done
}

// standing tells why the clock stands, for a test that fails.
func (c *cluster) standing() (why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		why += fmt.Sprintf("%s: ended %v, hangs %v/%v, %d under way, last beat %v ago, to do %d; ", n.self.Pod, n.ended.Load(), n.hangs.Load(), n.heartHangs.Load(),
			n.clock.under.Load(), time.Duration(n.elapsed()-n.beaten.Load()), len(n.kicked)+len(n.woken)+len(n.quiesced)+len(n.nudges)+len(n.suspected))
	}
	return why
}
