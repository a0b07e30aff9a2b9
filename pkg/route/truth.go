package route

import (
	"context"
	"sync"
	"time"
)

const (
	// lookSpacing is the least time between two looks at the database, however many requests wait.
	lookSpacing = 50 * time.Millisecond
	// lookLimit bounds one.
	lookLimit = 2 * time.Second
)

// truth looks at the database before a request is refused: one look for all that wait for one.
type truth struct {
	dir Directory

	mu   sync.Mutex
	next *look
	last time.Time // when the last look began
}

// A look reads the database once. What it found is as of a moment after every request had asked for it.
type look struct {
	done    chan struct{}
	known   bool
	mu      sync.Mutex
	awaited map[string]bool
}

// look returns what a look that begins after this call found, or an empty one if ctx ends.
func (t *truth) look(ctx context.Context) *look {
	t.mu.Lock()
	l := t.next
	if l == nil {
		l = &look{done: make(chan struct{}), awaited: map[string]bool{}}
		t.next = l
		wait := max(0, lookSpacing-time.Since(t.last))
		go t.run(context.WithoutCancel(ctx), l, wait)
	}
	t.mu.Unlock()
	select {
	case <-l.done:
		return l
	case <-ctx.Done():
		return &look{}
	}
}

func (t *truth) run(ctx context.Context, l *look, wait time.Duration) {
	defer close(l.done)
	time.Sleep(wait)
	t.mu.Lock()
	t.next, t.last = nil, time.Now()
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	l.known = t.dir.Refresh(ctx) == nil
}

// nobody reports that no live worker has the role, and none is likely to come: none died a short while ago, whose
// container will be started again. Unless that is known it is false.
func (t *truth) nobody(ctx context.Context, role string) bool {
	l := t.look(ctx)
	if !l.known || len(t.dir.Role(role)) > 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	awaited, asked := l.awaited[role]
	if !asked {
		ctx, cancel := context.WithTimeout(ctx, lookLimit)
		defer cancel()
		var err error
		if awaited, err = t.dir.Awaited(ctx, role); err != nil {
			return false
		}
		l.awaited[role] = awaited
	}
	return !awaited
}
