package plan

import (
	"time"

	"github.com/myelin-hs/myelin/pkg/admin"
)

// lagSteps are what a status says of a lag: it is at least that. A status that had milliseconds would be another one at each
// look, and be written at each.
var lagSteps = []struct {
	least time.Duration
	name  string
}{{0, "0s"}, {100 * time.Millisecond, "100ms"}, {time.Second, "1s"}, {10 * time.Second, "10s"}, {time.Minute, "1m"}}

// lagKept is for how long a lag is told after it was seen last: so a status is written twice a minute at most.
const lagKept = time.Minute

// LagShown is what a pool's status says of its lag: the most of about the last minute. The zero value knows nothing.
type LagShown struct {
	step int       // of lagSteps, counted from 1; 0: unknown
	till time.Time // then less may be said
}

// String is how the status says it; empty: it is not known.
func (l LagShown) String() string {
	if l.step == 0 {
		return ""
	}
	return lagSteps[l.step-1].name
}

// After is what the status says after another look: more at once, less when it has not been more for a while.
func (l LagShown) After(told admin.Status, pool string, now time.Time) LagShown {
	if step := stepOf(told, pool); step >= l.step || !now.Before(l.till) {
		return LagShown{step, now.Add(lagKept)}
	}
	return l
}

// stepOf goes by the workers whose lag is known.
func stepOf(told admin.Status, pool string) int {
	var oldest time.Duration
	known := false
	for _, w := range told.LagPool(pool, nil, 0).Workers {
		if o, tells := w.Reading.Oldest(); tells && !w.Overdue {
			oldest, known = max(oldest, o), true
		}
	}
	step := 0
	for known && step < len(lagSteps) && oldest >= lagSteps[step].least {
		step++
	}
	return step
}
