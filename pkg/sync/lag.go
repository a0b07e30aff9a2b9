package sync

import (
	"sync"
	"time"
)

// lag knows since when requests have waited for Postgres to tell what P covers.
type lag struct {
	mu    sync.Mutex
	next  int
	since map[int]time.Time
}

// begin notes a wait; the returned function ends it.
func (l *lag) begin() (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.next
	l.next++
	l.since[n] = time.Now()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.since, n)
	}
}

// oldest returns the age of the longest wait, 0 if there is none.
func (l *lag) oldest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var oldest time.Duration
	for _, t := range l.since {
		oldest = max(oldest, time.Since(t))
	}
	return oldest
}
