package lease

import "time"

// leapTolerance is by how much the database's clock may go wrong between two heartbeats, in either direction. It has to
// be well below the time to live.
const leapTolerance = 500 * time.Millisecond

// A reading is what the database's clock showed at some moment between two of this worker's own.
type reading struct {
	shown          time.Time // zero: nothing was read yet
	sent, received int64     // as [Manager.elapsed] counts
}

// leapt reports whether the database's clock went another way than time itself since had was read: by a step of that
// clock, or because another server answers. All heartbeats that were written before are then younger or older than they
// seem, and nobody may be judged by them.
func (had reading) leapt(now reading) bool {
	if had.shown.IsZero() {
		return false
	}
	passed := now.shown.Sub(had.shown)
	least, most := time.Duration(now.sent-had.received), time.Duration(now.received-had.sent)
	return passed < least-leapTolerance || passed > most+leapTolerance
}
