package traffic

import (
	"context"
	"fmt"
	"time"

	"github.com/myelin-hs/myelin/cmd/loadgen/delivery"
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
	t.settle(working, deaf, p.Patience)
	r.Rows, r.Verdict = t.recorder.Rows(during), t.tracker.Verdict()
	select {
	case <-deaf: // nobody was there to get what is missing
		r.Complete, r.Verdict.Lost = false, delivery.Fault{}
	default:
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

// settle waits until every acknowledged message reached every listener, no more arrive for patience, or the
// listeners have ended. While a listener may not ask, patience does not run.
func (t *trial) settle(ctx context.Context, deaf <-chan struct{}, patience time.Duration) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	last, since := -1, begin
	for {
		left := t.tracker.Missing()
		free := t.load.trouble.limitedUntil()
		if end := begin.Add(limits); free.After(end) {
			free = end
		}
		if free.After(since) {
			since = free
		}
		if left == 0 || left == last && time.Since(since) > patience {
			return
		}
		if left != last {
			last, since = left, time.Now()
		}
		if t.load.cfg.Profile.has(Sync) {
			_ = t.syncAll(ctx) // what failed is missing, and so counts as lost
		}
		select {
		case <-tick.C:
		case <-deaf:
			return
		}
	}
}
