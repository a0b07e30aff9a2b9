package lag

import (
	"container/list"
	"sync"
	"time"
)

// A Meter knows since when work waits. The zero value is ready; any number of goroutines may use it. Its cost is a
// mutex and an element of a list for each Begin. What keeps a list of its waiting work already needs no Meter, but the
// same definition: the age of the first.
type Meter struct {
	mu    sync.Mutex
	since list.List // of time.Time, oldest first
}

// Begin notes that work has arrived; the returned function, that it is done. Only its first call counts.
func (m *Meter) Begin() (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.since.PushBack(time.Now())
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.since.Remove(e)
	}
}

// Oldest returns the age of what has waited longest, 0 if nothing waits.
func (m *Meter) Oldest() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if first := m.since.Front(); first != nil {
		return time.Since(first.Value.(time.Time))
	}
	return 0
}
