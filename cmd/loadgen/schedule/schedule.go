// Package schedule makes requests at a steady rate, whatever the answers take. Nobody waits for an answer before the next
// request is due, and how long a request took counts from when it was due: a server that stalls does not hide what it would
// have done to those who came meanwhile (coordinated omission).
package schedule

import (
	"context"
	"sync"
	"time"
)

// An Arrival is one request of the schedule.
type Arrival struct {
	N   int       // from 0
	Due time.Time // when it should be made; what it takes counts from here
}

// A Schedule is a rate, and how far the answers may fall behind.
type Schedule struct {
	Rate     float64 // requests a second, above 0
	InFlight int     // requests under way at once, at least 1
	Backlog  int     // requests that are due and wait for one of those to end, at least 0; one more is dropped
}

// Run makes requests for so long, from now on, or until ctx ends, and then waits for those under way and those that wait
// their turn; after ctx has ended the latter are dropped. do makes a request, drop is told of one that is not made. Both are
// called concurrently.
func (s Schedule) Run(ctx context.Context, length time.Duration, do, drop func(Arrival)) {
	queue := make(chan Arrival, s.Backlog)
	var workers sync.WaitGroup
	for range s.InFlight {
		workers.Go(func() {
			for a := range queue {
				if ctx.Err() != nil {
					drop(a)
					continue
				}
				do(a)
			}
		})
	}
	Pace(ctx, s.Rate, length, func(a Arrival) {
		select {
		case queue <- a:
		default:
			drop(a)
		}
	})
	close(queue)
	workers.Wait()
}

// Pace calls emit once for each arrival when it is due, or, where that moment was missed, as soon as it can: none is left
// out. It returns when length is over or ctx has ended. length 0: only the latter ends it.
func Pace(ctx context.Context, rate float64, length time.Duration, emit func(Arrival)) {
	begin := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for n := 0; ; n++ {
		after := time.Duration(float64(n) / rate * float64(time.Second))
		if length > 0 && after >= length {
			return
		}
		due := begin.Add(after)
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		} else if ctx.Err() != nil {
			return
		}
		emit(Arrival{N: n, Due: due})
	}
}
