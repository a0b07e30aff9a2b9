package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress prints a line at the end of each step, with the time since the
// command began and the step's own, and a sign of life every 30 s of a long one.
type Progress struct {
	mu    sync.Mutex
	out   io.Writer
	began time.Time
}

func newProgress(out io.Writer) *Progress { return &Progress{out: out, began: time.Now()} }

// Say prints one line, stamped with the time since the command began.
func (p *Progress) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%7.1fs  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}

// Step runs do under a name.
func (p *Progress) Step(ctx context.Context, name string, do func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	began, done := time.Now(), make(chan struct{})
	var beat sync.WaitGroup
	beat.Go(func() {
		tick := time.NewTicker(30 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				p.Say("%s … %.0fs", name, time.Since(began).Seconds())
			}
		}
	})
	err := do(ctx)
	close(done)
	beat.Wait()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.Say("%s (%.1fs)", name, time.Since(began).Seconds())
	return nil
}

// together runs the steps at once and returns the first failure, having
// cancelled the others and waited for them.
func together(ctx context.Context, steps ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, step := range steps {
		all.Go(func() {
			if err := step(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// await asks every interval until ask returns nil, and gives up with its last
// answer after the timeout.
func await(ctx context.Context, timeout, interval time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no success within %s", timeout))
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(interval):
		}
	}
}
