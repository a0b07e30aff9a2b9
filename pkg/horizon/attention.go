package horizon

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// lingerFor is how long a follower goes on to hear each P when nobody attends it any more: who comes again soon does not
// wait for it to change.
const lingerFor = time.Minute

// attention is who waits for P in this process, and whether the follower hears each P for them yet.
type attention struct {
	base  time.Time
	count atomic.Int64
	left  atomic.Int64  // when the last one left, as nanoseconds since base; 0: never
	wake  chan struct{} // somebody attends

	mu     sync.Mutex
	prompt chan struct{} // closed while the follower has, since it began to hear each P, come to know the newest
}

func newAttention() *attention {
	return &attention{base: time.Now(), wake: make(chan struct{}, 1), prompt: make(chan struct{})}
}

// Attend makes the follower hear each P as soon as it is announced, until leave is called, and for a minute longer. Else it
// hears of P four times a second, with the same index.
func (f *Follower) Attend() (leave func()) {
	a := f.attention
	a.count.Add(1)
	if !a.isPrompt() {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
	return a.leave
}

// Prompt reports whether each P is heard as soon as it is announced, which takes a moment after Attend, and P is fresh.
func (f *Follower) Prompt() bool { return f.Fresh() && f.attention.isPrompt() }

// AwaitPrompt waits until each P is heard as soon as it is announced, and the newest is known here; or until ctx ends.
func (f *Follower) AwaitPrompt(ctx context.Context) {
	select {
	case <-f.attention.awaited():
	case <-ctx.Done():
	}
}

func (a *attention) leave() {
	a.linger()
	a.count.Add(-1)
}

// linger makes it count as attended from now for lingerFor.
func (a *attention) linger() { a.left.Store(int64(time.Since(a.base)) + 1) }

func (a *attention) attended() bool {
	if a.count.Load() > 0 {
		return true
	}
	left := a.left.Load()
	return left != 0 && time.Since(a.base)-time.Duration(left) < lingerFor
}

// begin notes that the newest P has to be come to know of anew.
func (a *attention) begin() {
	if a.isPrompt() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.prompt = make(chan struct{})
	}
}

// became notes whether the follower, which hears each P, has come to know the newest one.
func (a *attention) became(prompt bool) {
	if prompt && !a.isPrompt() {
		close(a.awaited())
	}
}

func (a *attention) awaited() chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.prompt
}

func (a *attention) isPrompt() bool {
	select {
	case <-a.awaited():
		return true
	default:
		return false
	}
}
