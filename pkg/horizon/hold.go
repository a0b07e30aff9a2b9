package horizon

import "time"

const (
	// stuckAfter is how long a registered block may stand.
	stuckAfter = 2 * time.Second
	// watchFor is how long P must have been seen to stand before a backend is ended for it, and endEvery how often that
	// is tried. Together with the time in which a dead announcer is replaced, P stands for less than four seconds.
	watchFor = time.Second
	endEvery = 250 * time.Millisecond
)

// A hold is the time for which a block in flight has held P back without letting it move.
type hold struct {
	since, ended time.Time
}

// stuck takes a round that started now, and reports whether backends whose block has stood for stuckAfter are to be ended.
// The age of the block counts, not only how long this announcer has watched: the fault that left the block standing may
// have taken the announcer before it.
func (h *hold) stuck(now time.Time, s step) bool {
	switch {
	case !s.held || s.P != s.Prev:
		*h = hold{}
	case h.since.IsZero():
		h.since = now
	case now.Sub(h.since) >= watchFor && now.Sub(h.ended) >= endEvery:
		h.ended = now
		return true
	}
	return false
}
