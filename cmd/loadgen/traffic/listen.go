package traffic

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
)

// Ready is how long the listeners may take until each has its first answer.
const Ready = 2 * time.Minute

// Listen lets the listeners long-poll until ctx ends, and returns an error if one of them has to give up, or if not all have
// their first answer in time; a trial that is played ends with them. ready is called once each of them has a token. Call it
// before Play, except where users sync as part of the profile.
func (l *Load) Listen(ctx context.Context, ready func()) error {
	if l.cfg.Profile.has(Sync) || len(l.listeners) == 0 {
		ready()
		<-ctx.Done()
		return nil
	}
	deaf := make(chan struct{})
	l.deaf = deaf
	group, ctx := errgroup.WithContext(ctx)
	first := make(chan struct{}, len(l.listeners))
	for _, u := range l.listeners {
		u.Retrying = l.trouble.set
		group.Go(func() error {
			return u.Listen(ctx, func() { first <- struct{}{} }, func(room string, e matrix.Event) { l.seen(u, room, e) })
		})
	}
	group.Go(func() error { return l.gather(ctx, first, ready) })
	err := group.Wait()
	if err != nil {
		close(deaf)
	}
	return err
}

// gather waits until every listener has its first answer, and says how that gets on.
func (l *Load) gather(ctx context.Context, first <-chan struct{}, ready func()) error {
	patience := cmp.Or(l.cfg.Ready, Ready)
	over := time.NewTimer(patience)
	defer over.Stop()
	tick := time.NewTicker(max(1, patience/10))
	defer tick.Stop()
	for there := 0; there < len(l.listeners); {
		select {
		case <-first:
			there++
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.cfg.Say("%d of %d listeners have the answer to their first /sync; %s", there, len(l.listeners), &l.trouble)
		case <-over.C:
			return fmt.Errorf("after %s %d of %d listeners have the answer to their first /sync; %s", patience, there, len(l.listeners), &l.trouble)
		}
	}
	ready()
	return nil
}

// trouble is what went wrong for listeners. It is safe for concurrent use.
type trouble struct {
	mu    sync.Mutex
	last  error
	until time.Time // some listener may not ask, for the server limits how many requests are made
}

func (t *trouble) set(err error, limited time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = err
	if until := time.Now().Add(limited); limited > 0 && until.After(t.until) {
		t.until = until
	}
}

// limitedUntil returns until when some listener may not ask.
func (t *trouble) limitedUntil() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.until
}

func (t *trouble) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		return "the others have no answer yet"
	}
	return "the last error was: " + t.last.Error()
}

// seen notes an event that a listener got.
func (l *Load) seen(u *user, room string, e matrix.Event) {
	t := l.trial.Load()
	at, known := l.index[room]
	if t == nil || !known {
		return
	}
	number, ours := t.number(e)
	if !ours {
		return
	}
	if due, first := t.tracker.Seen(u.number, at, number, e.EventID); first && !due.Before(t.from) && !l.cfg.Profile.has(Sync) { // who syncs in turn does not wait
		t.recorder.OK(Deliver, time.Since(due))
	}
}
