package traffic

import (
	"context"
	"errors"
	"time"

	"github.com/myelin-hs/myelin/cmd/loadgen/search"
)

// A Bound is what the greatest rate must keep.
type Bound struct {
	P99 time.Duration // of each kind of request
	search.Bounds
	// Each try is played as Trial says, but for its rate; the confirmation is twice as long.
	Trial Trial
	// Each is told of every try; nil: nobody is.
	Each func(r Result, keeps, confirm bool)
}

// Keeps reports whether a trial kept the bound: no request failed, and none of the slowest hundredth took too long.
func (b Bound) Keeps(r Result) bool {
	return r.Complete && r.Failed() == 0 && r.Slowest() <= float64(b.P99.Microseconds())/1000
}

// Greatest looks for the greatest rate that keeps the bound, and returns the trial that confirmed it; found says whether
// there is one. Without one, or when ctx or the listeners end, it returns the last trial; so it does as soon as what arrives
// is not what was sent, for then no rate counts.
func (l *Load) Greatest(ctx context.Context, b Bound) (r Result, found bool, err error) {
	rate, err := search.Greatest(b.Bounds, func(rate float64, confirm bool) (bool, error) {
		p := b.Trial
		p.Rate = rate
		if confirm {
			p.Length *= 2
		}
		result, err := l.Play(ctx, p)
		if err != nil {
			return false, err
		}
		r = result
		if r.Verdict.OK() && !r.Complete {
			return false, errEnded // what was played of it says nothing about the rate
		}
		keeps := b.Keeps(r)
		if b.Each != nil {
			b.Each(r, keeps, confirm)
		}
		if !r.Verdict.OK() {
			return false, errWrong
		}
		return keeps, ctx.Err()
	})
	if ctx.Err() != nil {
		r.Complete = false // the search is not
	}
	if ctx.Err() != nil || errors.Is(err, errWrong) || errors.Is(err, errEnded) {
		return r, false, nil
	}
	return r, rate > 0, err
}

var (
	errWrong = errors.New("what arrived is not what was sent")
	errEnded = errors.New("the trial was not played to its end")
)
