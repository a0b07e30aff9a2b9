package persister

import (
	"time"

	"github.com/myelin-hs/myelin/pkg/lease"
)

var _ lease.Progress = (*Persister)(nil)

// Stalled returns for how long the lane that is worst off has got nothing done though it had something to do: 0 if there
// is none, or all get on. Getting on is any answer to a write, and any word of Postgres's about a block, refusals
// included; reading rooms is not, for that goes over other connections. So a database that refuses everything stalls
// nothing, since another worker would fare no better there; a connection that carries nothing, or cannot be made, does,
// and so does a lane whose goroutines hang. Writes that wait for the end of a handoff are nothing to do.
//
// It is cheap and never blocks on a lane: ask once a heartbeat.
func (p *Persister) Stalled() time.Duration {
	var longest time.Duration
	now := time.Now()
	for _, l := range p.lanes {
		longest = max(longest, l.queue.stalled(now))
	}
	return longest
}

// progress notes that the lane got something done.
func (q *queue) progress() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.progressed = time.Now()
}

// suspend takes a write out of what the lane could do something about; resume puts it back.
func (q *queue) suspend(w *write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w.due = time.Time{}
}

func (q *queue) resume(writes []*write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, w := range writes {
		w.due = now
	}
}

// stalled is Stalled for one lane.
func (q *queue) stalled(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	var due time.Time
	for e := q.waiting.Front(); e != nil; e = e.Next() {
		if w := e.Value.(*write); !w.due.IsZero() && (due.IsZero() || w.due.Before(due)) {
			due = w.due
		}
	}
	if due.IsZero() {
		return 0
	}
	if q.progressed.After(due) {
		due = q.progressed
	}
	return max(0, now.Sub(due))
}
