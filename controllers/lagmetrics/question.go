package lagmetrics

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/myelin-hs/myelin/controllers/desired"
)

// Metric is the name of the lag of a pool in milliseconds, summed up so that an autoscaler that divides it by the target
// gets the number of workers that there should be.
const Metric = desired.LagMetric

// MinTarget and MaxTarget bound targets, as a WorkerPool's spec.autoscaling.lagTargetMilliseconds is bounded.
const (
	MinTarget = 10 * time.Millisecond
	MaxTarget = 10 * time.Minute
)

// What is wrong with a question that gets no answer, besides lag.ErrUnknown. Errors that wrap one of these say it in words.
var (
	// ErrInvalid: the question itself is wrong.
	ErrInvalid = errors.New("the question is wrong")
	// ErrMissing: there is no such Homeserver or WorkerPool.
	ErrMissing = errors.New("there is no such pool")
)

// A Question is for the lag of one pool.
type Question struct {
	Namespace, Homeserver, Pool string
	// Target is the lag that an autoscaler aims at, MinTarget to MaxTarget; 0: what the pool itself has in spec.autoscaling.
	Target time.Duration
}

// An Answer is the lag of one pool.
type Answer struct {
	// Total is what an autoscaler divides by the target.
	Total time.Duration
	// Target is the one that Total was made for.
	Target time.Duration
	// At is when the workers were asked: nothing in the answer is older.
	At time.Time
}

// ParseTarget reads a target in whole milliseconds. Its error wraps ErrInvalid.
func ParseTarget(name, text string) (time.Duration, error) {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < MinTarget.Milliseconds() || ms > MaxTarget.Milliseconds() {
		return 0, fmt.Errorf("%w: %s is %q: give whole milliseconds, %d to %d", ErrInvalid, name, text, MinTarget.Milliseconds(), MaxTarget.Milliseconds())
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// Milliseconds is the total in whole milliseconds, rounded up: what waits is never told as 0.
func (a Answer) Milliseconds() int64 {
	return int64((a.Total + time.Millisecond - 1) / time.Millisecond)
}
