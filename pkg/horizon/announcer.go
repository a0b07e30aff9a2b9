package horizon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/postgres"
)

const (
	heldSpacing = 20 * time.Millisecond  // while a block in flight holds P back: its abort pokes nobody
	idleSpacing = 250 * time.Millisecond // without a poke
	retryAfter  = 250 * time.Millisecond // after an error
	roundLimit  = 2 * time.Second        // a session on which a round takes longer is given up
	beginLimit  = 2 * time.Second        // to connect and begin a term
)

// AnnouncerConfig says what an [Announcer] works with.
type AnnouncerConfig struct {
	// Source of the database, not of a pooler: the announcing session must be one backend.
	Source *postgres.Source
	// DatabaseID is the only database that is announced; empty: whatever is there.
	DatabaseID string
	// Pool serves what needs no session: looking at the term while another worker announces, and pruning.
	Pool *pgxpool.Pool
	Bus  *bus.Bus
	// WorkerID is the incarnation that the leader row names.
	WorkerID int64
	// Generation is the newest of the database that this process knows of: a server that has an older one is a former
	// primary, and is not announced. Nil: none is known.
	Generation func() int64
	// ApplicationName is shown in pg_stat_activity.
	ApplicationName string
	Log             *slog.Logger // default slog.Default()
}

// errFormer says that the session leads to a former primary, where P stands still and looks fresh.
var errFormer = errors.New("the server has an older generation of the database than is known")

// An Announcer moves P while it holds the leader row, and waits for the row otherwise. Any number may run.
type Announcer struct {
	cfg   AnnouncerConfig
	pokes chan struct{}
	// serving is set from before a term's first round until after its last.
	serving atomic.Bool

	// What it asks of the database, as functions, so that it keeps its times in tests without one.
	termLeft func(context.Context) (time.Duration, error)
	begin    func(context.Context) (session, error)
	prune    func(context.Context) error
}

// A session is what a term is served on: a closer.
type session interface {
	renew(context.Context) error
	step(context.Context) (step, error)
	rowLeft(now time.Time) (time.Duration, bool)
	save(context.Context) error
	terminateStuck(context.Context) (int, error)
	resign(context.Context) error
	close(context.Context)
}

// NewAnnouncer makes an announcer; Run starts it.
func NewAnnouncer(cfg AnnouncerConfig) *Announcer {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	a := &Announcer{cfg: cfg, pokes: make(chan struct{}, 1)}
	a.termLeft = func(ctx context.Context) (time.Duration, error) { return termLeft(ctx, cfg.Pool) }
	a.begin, a.prune = a.connect, a.pruneOnce
	return a
}

// Poke says that a block was committed. It never blocks. It reports whether this worker announces: then nobody else has to
// be told, for the first round of whoever takes over from it covers the block.
func (a *Announcer) Poke() bool {
	select {
	case a.pokes <- struct{}{}:
	default:
	}
	return a.serving.Load()
}

// Run announces until ctx ends.
func (a *Announcer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		left, err := a.look(ctx)
		switch {
		case err == nil && left > 0:
			sleep(ctx, min(left, leaderTTL)+rand.N(50*time.Millisecond))
			continue
		case err == nil:
			err = a.announce(ctx)
		}
		if err != nil && !errors.Is(err, errDeposed) && ctx.Err() == nil {
			a.cfg.Log.WarnContext(ctx, "announcer stopped", "error", err)
			sleep(ctx, retryAfter/2+rand.N(retryAfter))
		}
	}
	return nil
}

// look returns for how much longer the present term runs.
func (a *Announcer) look(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, leaderTTL)
	defer cancel()
	return a.termLeft(ctx)
}

// announce serves one term.
func (a *Announcer) announce(ctx context.Context) error {
	beginning, cancel := context.WithTimeout(ctx, beginLimit)
	defer cancel()
	s, err := a.begin(beginning)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := parting(ctx)
		defer cancel()
		s.close(closing)
	}()
	err = a.serve(ctx, s)
	if ctx.Err() != nil {
		closing, cancel := parting(ctx)
		defer cancel()
		return s.resign(closing)
	}
	return err
}

// connect begins a term on a session of its own.
func (a *Announcer) connect(ctx context.Context) (session, error) {
	conn, err := a.cfg.Source.Session(ctx, postgres.Options{ApplicationName: a.cfg.ApplicationName, DatabaseID: a.cfg.DatabaseID})
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	t, err := begin(ctx, conn, a.cfg.WorkerID)
	var c *closer
	if err == nil {
		c, err = open(ctx, conn, t)
	}
	if err != nil {
		closing, cancel := parting(ctx)
		defer cancel()
		_ = conn.Close(closing)
		return nil, err
	}
	a.cfg.Log.InfoContext(ctx, "announcing the horizon", "term", t.number, "position", c.p)
	metricTerms.Inc()
	return c, nil
}

// parting bounds what is said last, also when ctx has ended: a dead server is not waited for.
func parting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), leaderTTL)
}

// serve runs rounds until the term is lost, an error, or ctx ends; then everything it started has ended too.
func (a *Announcer) serve(ctx context.Context, c session) error {
	ctx, cancel := context.WithCancel(ctx)
	sub := a.cfg.Bus.Subscribe(bus.Handler{Poke: func() { a.Poke() }})
	out, slow := newOutbox(a.cfg.Bus.PublishHorizon), newOutbox(a.cfg.Bus.PublishDigest)
	var started sync.WaitGroup
	started.Go(func() { _ = sub.Run(ctx) })
	started.Go(func() { out.run(ctx) })
	started.Go(func() { slow.run(ctx) })
	started.Go(func() { a.pruneRegularly(ctx) })
	a.serving.Store(true)
	defer func() {
		a.serving.Store(false)
		cancel()
		started.Wait()
	}()

	renewed := time.Now()
	var standing hold
	var rounds pace
	var told digest
	for {
		now := time.Now()
		rounds.begin(now)
		s, err := a.round(ctx, c, &renewed)
		if err != nil {
			return err
		}
		metricRound.Observe(time.Since(now).Seconds())
		if s.tells() {
			out.put(s.Horizon)
		}
		if h, due := told.add(now, s); due {
			slow.put(h)
		}
		if standing.stuck(now, s) {
			if err := a.end(ctx, c); err != nil {
				return err
			}
		}
		if !a.rest(ctx, rounds, s, c, told) {
			return ctx.Err()
		}
	}
}

// tells reports whether followers are to hear of the step. A P that has not moved says that it is fresh, so it is told
// too, unless it is held back: then it is not, and followers look for themselves.
func (s step) tells() bool { return s.P != s.Prev || !s.held }

// round renews the term and writes P down when that is due, and moves P.
func (a *Announcer) round(ctx context.Context, c session, renewed *time.Time) (step, error) {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	if now := time.Now(); now.Sub(*renewed) >= renewEvery {
		if err := c.renew(ctx); err != nil {
			return step{}, err
		}
		*renewed = now
	}
	s, err := c.step(ctx)
	if err != nil {
		return step{}, err
	}
	if a.cfg.Generation != nil && s.Generation < a.cfg.Generation() {
		return step{}, errFormer
	}
	metricPosition.Set(float64(s.P))
	if left, ok := c.rowLeft(time.Now()); ok && left == 0 {
		return s, c.save(ctx)
	}
	return s, nil
}

// end ends the backends whose block has stood for too long.
func (a *Announcer) end(ctx context.Context, c session) error {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	n, err := c.terminateStuck(ctx)
	if err != nil {
		return err
	}
	if n > 0 {
		a.cfg.Log.WarnContext(ctx, "ended backends whose block stood too long", "backends", n)
		metricTerminated.Add(float64(n))
	}
	return nil
}

// rest waits for the next round's time; false if ctx ended.
func (a *Announcer) rest(ctx context.Context, rounds pace, s step, c session, told digest) bool {
	if s.more {
		return ctx.Err() == nil
	}
	spacing := idleSpacing
	if s.held {
		spacing = heldSpacing
	}
	if left := told.left(time.Now()); left > 0 { // else a P that is held back keeps it waiting
		spacing = min(spacing, left)
	}
	if left, ok := c.rowLeft(time.Now()); ok {
		spacing = min(spacing, left)
	}
	timer := time.NewTimer(spacing)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-a.pokes:
	}
	sleep(ctx, rounds.left(time.Now()))
	return ctx.Err() == nil
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
