package traffic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/myelin-hs/myelin/cmd/loadgen/delivery"
	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/cmd/loadgen/measure"
	"github.com/myelin-hs/myelin/cmd/loadgen/schedule"
)

// A Trial is how a load is played once.
type Trial struct {
	Rate   float64       // requests a second over all kinds
	Warmup time.Duration // in which requests are made and judged, but not measured
	Length time.Duration // of the measurement after that
	// Patience is how long deliveries may stand still at the end before what is missing counts as lost.
	Patience time.Duration
}

// A Result is what came of a trial.
type Result struct {
	Rate     float64          `json:"rate"`    // that was asked for
	Seconds  float64          `json:"seconds"` // of the measurement
	Rows     []measure.Row    `json:"requests"`
	Verdict  delivery.Verdict `json:"verdict"`
	Complete bool             `json:"complete"` // it was not interrupted
	// Unjudged says that what was missing at the end does not count as lost, for it was not waited for until it could come.
	Unjudged bool `json:"unjudged,omitempty"`
}

// Failed counts the requests that failed, or were never made.
func (r Result) Failed() int {
	n := 0
	for _, row := range r.Rows {
		n += row.Failed
	}
	return n
}

// Slowest is the greatest 99th percentile of its kinds of requests, in milliseconds; deliveries are none.
func (r Result) Slowest() float64 {
	slowest := 0.0
	for _, row := range r.Rows {
		if row.Kind != Deliver {
			slowest = max(slowest, row.P99)
		}
	}
	return slowest
}

// trial is one that is under way.
type trial struct {
	load     *Load
	prefix   string
	tracker  *delivery.Tracker
	recorder *measure.Recorder
	from     time.Time // requests that were due before are not measured
}

func newTrial(l *Load, n int) *trial {
	t := &trial{
		load: l, prefix: fmt.Sprintf("%s-%d/", l.cfg.Run, n), tracker: delivery.New(len(l.rooms), len(l.listeners)), recorder: measure.New(),
	}
	var kinds []string
	for _, s := range l.mix {
		kinds = append(kinds, s.Kind)
		if s.Kind == Send && len(l.listeners) > 0 && !l.cfg.Profile.has(Sync) {
			kinds = append(kinds, Deliver)
		}
	}
	t.recorder = measure.New(kinds...)
	return t
}

// Play plays a trial. When ctx ends before it is over, or the listeners do, the result is of what was until then.
func (l *Load) Play(ctx context.Context, p Trial) (Result, error) {
	deaf := l.deaf
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-deaf:
			cancel()
		case <-ctx.Done():
		}
	}()
	l.trials++
	t := newTrial(l, l.trials)
	working := context.WithoutCancel(ctx) // what is under way is brought to its end
	if l.cfg.Profile.has(Sync) {
		if err := t.syncAll(ctx); err != nil {
			return Result{}, err
		}
	}
	begin := time.Now()
	t.from = begin.Add(p.Warmup)
	l.trial.Store(t)
	defer l.trial.Store(nil)
	requests := order(l.mix)
	s := schedule.Schedule{Rate: p.Rate, InFlight: l.cfg.InFlight, Backlog: l.cfg.Backlog}
	s.Run(ctx, p.Warmup+p.Length, func(a schedule.Arrival) {
		kind, n := requests.at(a.N)
		err := t.request(working, kind, n, a.Due)
		switch {
		case err == nil && a.Due.Before(t.from):
		case err == nil:
			t.recorder.OK(kind, time.Since(a.Due))
		default: // a failure counts whenever it is
			t.recorder.Failed(kind, reason(err))
		}
	}, func(a schedule.Arrival) {
		if kind, _ := requests.at(a.N); ctx.Err() == nil {
			t.recorder.Failed(kind, "not made: too many were waiting")
		}
	})
	during := p.Length
	if ctx.Err() != nil {
		during = min(during, max(0, time.Since(t.from)))
	}
	r := Result{Rate: p.Rate, Seconds: during.Seconds(), Complete: ctx.Err() == nil}
	judged := t.settle(ctx, deaf, p.Patience)
	r.Rows, r.Verdict = t.recorder.Rows(during), t.tracker.Verdict()
	if !judged {
		r.Complete, r.Unjudged, r.Verdict.Lost = false, true, delivery.Fault{}
	}
	return r, nil
}

// syncAll brings the users' tokens up to date.
func (t *trial) syncAll(ctx context.Context) error {
	for _, u := range t.load.users {
		if err := t.sync(ctx, u); err != nil {
			return fmt.Errorf("%s: sync: %w", u.UserID, err)
		}
	}
	return nil
}

// limits bounds how long it is waited for listeners whom the server lets ask no more for a while.
const limits = 5 * time.Minute

// settle waits until every acknowledged message reached every listener, no more arrive for patience, or the listeners have
// ended. While one of them may not ask, patience does not run, until ctx ends: who interrupts a trial does not wait for that.
// It reports whether what is missing then is lost.
func (t *trial) settle(ctx context.Context, deaf <-chan struct{}, patience time.Duration) (judged bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	last, since, told := -1, begin, false
	var interrupted, again time.Time
	for {
		left, now, free := t.tracker.Missing(), time.Now(), t.load.trouble.limitedUntil()
		if left == 0 {
			return true
		}
		if end := begin.Add(limits); free.After(end) {
			free = end
		}
		from := latest(since, free)
		if ctx.Err() != nil {
			if interrupted.IsZero() {
				interrupted = now
			}
			from = latest(since, interrupted)
		} else if !told && free.After(now) {
			told = true
			t.load.cfg.Say("%d deliveries are missing, and the server lets some listener ask no sooner than in %s: waiting", left, free.Sub(now).Round(time.Second))
		}
		if left == last && now.Sub(from) > patience {
			return interrupted.IsZero() || now.Sub(latest(since, free)) > patience
		}
		if left != last {
			last, since = left, now
		}
		if t.load.cfg.Profile.has(Sync) && now.After(again) {
			pause := t.catchUp(context.WithoutCancel(ctx), patience)
			again = time.Now().Add(pause)
		}
		select {
		case <-tick.C:
		case <-deaf:
			return false // nobody is there to get what is missing
		}
	}
}

// catchUp lets the users sync, within patience, and returns for how long not to do that again: what failed is missing.
func (t *trial) catchUp(ctx context.Context, patience time.Duration) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := t.syncAll(ctx)
	if err == nil {
		return 0
	}
	pause, status := time.Second, (*matrix.StatusError)(nil)
	if errors.As(err, &status) && status.Status == http.StatusTooManyRequests {
		pause = max(pause, status.After)
		t.load.trouble.set(err, pause)
	}
	return pause
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
