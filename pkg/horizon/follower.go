package horizon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/position"
)

const (
	// freshFor is how long a heard P counts as fresh.
	freshFor = time.Second
	// silentAfter is how much silence of the bus makes a follower poll: the announcer repeats itself more often.
	silentAfter = 600 * time.Millisecond
	pollEvery   = 250 * time.Millisecond
	pollLimit   = 2 * time.Second
	// maxGap bounds what is filled: after a longer absence caches start over. stream_block reaches back much further.
	maxGap = time.Hour
	// maxQueued announcements wait while a gap is filled; more are dropped, and filled.
	maxQueued = 256
)

// An Advance is one move of P. Blocks lists every committed block in (Prev, P], in order.
type Advance struct {
	Generation int64
	Prev, P    position.Position
	Blocks     []bus.BlockIndex
	// Reset says that Blocks is not complete: the follower starts here, was away for long, or the database is another
	// generation's. Whatever was derived from earlier blocks must be dropped.
	Reset bool
}

// A Follower knows P in one process. It starts without: P is 0 until Run has read it.
type Follower struct {
	look      func(context.Context) (sight, error)
	blocks    func(ctx context.Context, above, upto int64) (blocks []bus.BlockIndex, cut bool, err error)
	bus       *bus.Bus
	attention *attention

	p     atomic.Int64
	heard atomic.Int64 // when everything committed was last known to be at or below P, as nanoseconds since base
	base  time.Time

	mu        sync.Mutex
	listeners []func(Advance)
	moved     chan struct{} // closed at the next move

	// Of Run's goroutine.
	generation int64
	movedAt    time.Time
	told       time.Time // when the bus last brought an announcement
}

// NewFollower makes a follower; Run starts it. The pool must reach the primary: a replica may not have replayed what P
// covers.
func NewFollower(pool *pgxpool.Pool, b *bus.Bus) *Follower {
	return &Follower{
		look: func(ctx context.Context) (sight, error) { return look(ctx, pool) },
		blocks: func(ctx context.Context, above, upto int64) ([]bus.BlockIndex, bool, error) {
			return readBlocks(ctx, pool, above, upto)
		},
		bus: b, attention: newAttention(), base: time.Now(), moved: make(chan struct{}),
	}
}

// P returns the horizon as far as heard.
func (f *Follower) P() position.Position { return position.Position(f.p.Load()) }

// Fresh reports whether P was heard within the last second.
func (f *Follower) Fresh() bool { return f.silence() < freshFor }

func (f *Follower) silence() time.Duration {
	at := f.heard.Load()
	if at == 0 {
		return time.Duration(1<<63 - 1)
	}
	return time.Since(f.base) - time.Duration(at)
}

// OnAdvance registers a listener, before Run. Listeners are called on one goroutine, in order, without gaps; the first
// call has Reset set. They must not block: P moves for all or none. P() shows the new P once all listeners returned.
func (f *Follower) OnAdvance(listener func(Advance)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = append(f.listeners, listener)
}

// Wait returns when P has reached p, or with ctx's error.
func (f *Follower) Wait(ctx context.Context, p position.Position) error {
	for {
		f.mu.Lock()
		moved := f.moved
		f.mu.Unlock()
		if f.P() >= p {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	poll := time.NewTimer(0)
	defer poll.Stop()
	for ctx.Err() == nil {
		f.follow(ctx, f.attention.attended(), poll)
	}
	return nil
}

// follow hears each P, or digests, while that is wanted and until ctx ends. What is told while it changes between the two
// is filled like any other gap.
func (f *Follower) follow(ctx context.Context, each bool, poll *time.Timer) {
	ctx, cancel := context.WithCancel(ctx)
	messages, connected := make(chan bus.Horizon, maxQueued), make(chan struct{}, 1)
	sub := f.bus.Subscribe(f.handler(each, messages, connected))
	subscribed := make(chan error, 1)
	go func() { subscribed <- sub.Run(ctx) }()
	defer func() {
		cancel()
		<-subscribed
	}()
	f.attention.begin() // before attention is looked at: who attends after that wakes this follower

	began := time.Now()
	for f.attention.attended() == each {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-f.attention.wake:
		case <-connected:
			err = f.bus.PublishPoke(ctx) // the announcer then says at once where P is
		case h := <-messages:
			f.told = time.Now()
			if f.silence() >= freshFor {
				err = f.poll(ctx) // take says why
			}
			err = errors.Join(err, f.take(ctx, h))
			f.attention.became(each && err == nil)
		case <-poll.C:
			next := pollEvery
			if quiet := time.Since(f.told); quiet < silentAfter && f.generation != 0 {
				next = silentAfter - quiet
			} else {
				err = f.poll(ctx)
				f.attention.became(each && err == nil) // as prompt as it can be without the bus
				if time.Since(began) >= silentAfter {
					f.attention.linger() // an announcer of an older build tells no digests
				}
			}
			poll.Reset(next)
		}
		if err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "the horizon cannot be followed", "error", err)
		}
	}
}

// handler takes what follow wants to hear. What does not fit is lost, as on the bus.
func (f *Follower) handler(each bool, messages chan<- bus.Horizon, connected chan<- struct{}) bus.Handler {
	hear := func(h bus.Horizon) {
		select {
		case messages <- h:
		default:
		}
	}
	if !each {
		return bus.Handler{Digest: hear}
	}
	return bus.Handler{Horizon: hear, Connected: func() {
		select {
		case connected <- struct{}{}:
		default:
		}
	}}
}

// take digests an announcement.
func (f *Follower) take(ctx context.Context, h bus.Horizon) error {
	if f.generation == 0 {
		return nil // the first P is read from the row, which is never behind what was announced
	}
	own := int64(f.P())
	switch {
	case h.Generation < f.generation:
		return nil // of a life before a failover
	case h.Generation > f.generation:
		return f.move(ctx, h.Generation, position.Position(h.P))
	case h.P > own && h.Prev <= own:
		f.advance(Advance{Generation: h.Generation, Prev: position.Position(own), P: position.Position(h.P), Blocks: above(h.Blocks, position.Position(own).Block())})
	case h.P > own:
		if err := f.move(ctx, h.Generation, position.Position(h.P)); err != nil {
			return err
		}
	}
	// An announcement that was overtaken says nothing about now, nor may one that ends a silence: if this process did not
	// run, it has waited here for as long. Run asks the row then.
	if h.P >= own && f.silence() < freshFor {
		f.hear()
	}
	return nil
}

func above(blocks []bus.BlockIndex, block int64) []bus.BlockIndex {
	for i, b := range blocks {
		if b.Block > block {
			return blocks[i:]
		}
	}
	return nil
}

// poll reads the row. While an announcer lives, P is as fresh as the oldest block that it does not cover yet; else P may
// long be overdue.
func (f *Follower) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	asked := time.Since(f.base)
	s, err := f.look(ctx)
	if err != nil {
		return err
	}
	if f.generation == 0 || s.p > f.P() || s.generation > f.generation {
		if err := f.move(ctx, s.generation, s.p); err != nil {
			return err
		}
	}
	if s.alive && s.p >= f.P() {
		f.heard.Store(int64(asked - s.age)) // 0, which means never, but by chance
	}
	return nil
}

// move goes to p by what Postgres says about the blocks until there.
func (f *Follower) move(ctx context.Context, generation int64, p position.Position) error {
	if generation != f.generation || time.Since(f.movedAt) > maxGap && f.silence() > maxGap {
		f.advance(Advance{Generation: generation, Prev: f.P(), P: p, Reset: true})
		return nil
	}
	for f.P() < p {
		blocks, cut, err := f.read(ctx, f.P().Block(), p.Block())
		if err != nil {
			return fmt.Errorf("fill a gap: %w", err)
		}
		metricFilled.Add(float64(len(blocks)))
		to := p
		if cut {
			to = position.BlockEnd(blocks[len(blocks)-1].Block)
		}
		f.advance(Advance{Generation: generation, Prev: f.P(), P: to, Blocks: blocks})
	}
	return nil
}

func (f *Follower) read(ctx context.Context, above, upto int64) ([]bus.BlockIndex, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	return f.blocks(ctx, above, upto)
}

func (f *Follower) advance(a Advance) {
	f.mu.Lock()
	listeners := f.listeners
	f.mu.Unlock()
	for _, l := range listeners {
		l(a)
	}
	f.generation, f.movedAt = a.Generation, time.Now()
	f.mu.Lock()
	f.p.Store(int64(a.P))
	close(f.moved)
	f.moved = make(chan struct{})
	f.mu.Unlock()
	metricHeard.Set(float64(a.P))
}

func (f *Follower) hear() {
	f.heard.Store(int64(time.Since(f.base)))
	metricHeardAt.SetToCurrentTime()
}
