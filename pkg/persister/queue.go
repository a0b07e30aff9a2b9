package persister

import (
	"container/list"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// Bounds of what a lane holds unanswered.
const (
	maxQueuedWrites = 1000
	maxQueuedBytes  = 8 << 20
)

// A queue holds what has arrived at a lane, and counts all that the lane has not answered yet.
type queue struct {
	wake chan struct{} // of capacity 1

	mu      sync.Mutex
	arrived []*write
	waiting list.List // of *write, all unanswered, oldest first
	bytes   int
	closed  error

	progressed time.Time // when the lane last got something done
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// push adds a write, or says why not: the queue is full, or the lane has stopped.
func (q *queue) push(w *write, now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return q.closed
	}
	if q.waiting.Len() >= maxQueuedWrites || q.bytes+w.size > maxQueuedBytes {
		return mxerr.LimitExceeded(500 * time.Millisecond)
	}
	w.since, w.due = now, now
	w.waits = q.waiting.PushBack(w)
	q.bytes += w.size
	q.arrived = append(q.arrived, w)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// take returns what arrived since the last take.
func (q *queue) take() []*write {
	q.mu.Lock()
	defer q.mu.Unlock()
	arrived := q.arrived
	q.arrived = nil
	return arrived
}

// finish answers a write. Only the first answer counts.
func (q *queue) finish(w *write, a answer) {
	q.mu.Lock()
	if w.waits != nil {
		q.waiting.Remove(w.waits)
		w.waits = nil
		q.bytes -= w.size
		q.progressed = time.Now()
	}
	q.mu.Unlock()
	select {
	case w.answer <- a:
	default:
	}
}

// age returns how long the oldest unanswered write has waited, 0 if there is none.
func (q *queue) age(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	oldest := q.waiting.Front()
	if oldest == nil {
		return 0
	}
	return now.Sub(oldest.Value.(*write).since)
}

// close refuses further writes with err and answers all that wait with a.
func (q *queue) close(err error, a answer) {
	q.mu.Lock()
	q.closed = err
	var rest []*write
	for e := q.waiting.Front(); e != nil; e = e.Next() {
		rest = append(rest, e.Value.(*write))
	}
	q.mu.Unlock()
	for _, w := range rest {
		q.finish(w, a)
	}
}
