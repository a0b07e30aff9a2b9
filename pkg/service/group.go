package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// A Runner blocks until ctx is cancelled, and then returns nil. An earlier return, with or without an error, stops the
// whole Group.
type Runner func(ctx context.Context) error

// A Group holds the parts of a process. Fill it from one goroutine, then call Run once.
type Group struct {
	// Log hears what starts and stops. Nil discards it.
	Log *slog.Logger
	// StopTimeout bounds the wait for each part when stopping; a part that takes longer is reported and left behind.
	// 0 means 10 seconds.
	StopTimeout time.Duration

	parts  []*part
	before []func(context.Context)
}

type part struct {
	name string
	run  Runner

	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// Add adds a part that needs the named ones, which must have been added before: so the parts are in an order of their
// dependencies, and a cycle cannot be written. It panics on a name that is taken or unknown, which is a bug of the
// caller.
func (g *Group) Add(name string, run Runner, needs ...string) {
	p := &part{name: name, run: run, done: make(chan struct{})}
	if g.find(name) != nil {
		panic("service: two parts named " + name)
	}
	for _, n := range needs {
		if g.find(n) == nil {
			panic(fmt.Sprintf("service: %s needs %s, which was not added before it", name, n))
		}
	}
	g.parts = append(g.parts, p)
}

// BeforeStop adds a hook that is called when the Group is about to stop, before anything is cancelled. Hooks are called
// one after another in the order in which they were added; ctx is not cancelled by the stop, so each bounds itself.
func (g *Group) BeforeStop(hook func(ctx context.Context)) { g.before = append(g.before, hook) }

func (g *Group) find(name string) *part {
	for _, p := range g.parts {
		if p.name == name {
			return p
		}
	}
	return nil
}

// Run starts all parts and blocks until all have stopped, after ctx was cancelled or a part returned. It returns nil
// after a cancelled ctx, else why it stopped, naming the part.
func (g *Group) Run(ctx context.Context) error {
	log := g.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	alive := context.WithoutCancel(ctx)
	ended := make(chan *part, len(g.parts))
	for _, p := range g.parts {
		run, cancel := context.WithCancel(alive)
		p.cancel = cancel
		go func() {
			p.err = p.run(run)
			close(p.done)
			ended <- p
		}()
	}

	var failure error
	select {
	case <-ctx.Done():
	case p := <-ended:
		failure = p.err
		if failure == nil {
			failure = errors.New("returned before it was told to stop")
		}
		failure = fmt.Errorf("%s: %w", p.name, failure)
		log.Error("a part of the process has stopped", "part", p.name, "error", failure)
	}
	// After a failure the hooks run too: what still works can be handed over.
	for _, hook := range g.before {
		hook(alive)
	}
	return errors.Join(failure, g.stop(log))
}

// stop cancels from the last added to the first: whoever needs a part was added after it.
func (g *Group) stop(log *slog.Logger) error {
	limit := g.StopTimeout
	if limit == 0 {
		limit = 10 * time.Second
	}
	var errs []error
	for i := len(g.parts) - 1; i >= 0; i-- {
		p := g.parts[i]
		already := p.stopped()
		p.cancel()
		timer := time.NewTimer(limit)
		select {
		case <-p.done:
			if p.err != nil && !already && !errors.Is(p.err, context.Canceled) {
				errs = append(errs, fmt.Errorf("stopping %s: %w", p.name, p.err))
			}
		case <-timer.C:
			log.Error("a part of the process did not stop in time", "part", p.name, "limit", limit)
			errs = append(errs, fmt.Errorf("stopping %s: not within %v", p.name, limit))
		}
		timer.Stop()
	}
	return errors.Join(errs...)
}

func (p *part) stopped() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
