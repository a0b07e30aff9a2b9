// Package scaling judges how a pool followed its load, from what was seen of it second by second.
package scaling

import "time"

// A Sample is what was seen of a pool at one moment.
type Sample struct {
	At      time.Duration // since the first
	Offered float64       // events a second that clients want to send
	Acked   float64       // events a second that were acknowledged since the sample before
	// Lag is the mean of the pool's workers, which its target is compared with; LagKnown is false while nobody knows it.
	Lag      time.Duration
	LagKnown bool
	Wanted   int // replicas that the pool's spec asks for
	Ready    int // of which so many are ready
}

// Changes counts how often the pool's wanted size changed.
func Changes(samples []Sample) int {
	n := 0
	for i := 1; i < len(samples); i++ {
		if samples[i].Wanted != samples[i-1].Wanted {
			n++
		}
	}
	return n
}

// DirectionChanges counts how often a pool that grew shrank next, or the other way round.
func DirectionChanges(samples []Sample) int {
	n, grew, moved := 0, false, false
	for i := 1; i < len(samples); i++ {
		difference := samples[i].Wanted - samples[i-1].Wanted
		if difference == 0 {
			continue
		}
		if moved && grew != (difference > 0) {
			n++
		}
		grew, moved = difference > 0, true
	}
	return n
}

// Most is the largest wanted size.
func Most(samples []Sample) int {
	most := 0
	for _, s := range samples {
		most = max(most, s.Wanted)
	}
	return most
}

// Rose says whether the lag was ever above its target.
func Rose(samples []Sample, target time.Duration) bool {
	for _, s := range samples {
		if s.LagKnown && s.Lag > target {
			return true
		}
	}
	return false
}

// TimeToTarget is how long after the first sample the lag was back at its target or below, and stayed there for at least hold:
// a single reading later may be above it. A lag that nobody knew does not count as back. It is 0 for a lag that never rose, and false if it did not
// come back, or too late to be held for so long.
func TimeToTarget(samples []Sample, target, hold time.Duration) (time.Duration, bool) {
	back := -1 // since when it has been back
	rose := false
	for i, s := range samples {
		switch {
		case !s.LagKnown || s.Lag > target:
			rose, back = rose || s.LagKnown, -1
		case back < 0:
			back = i
		}
		if rose && back >= 0 && s.At-samples[back].At >= hold {
			return samples[back].At - samples[0].At, true
		}
	}
	return 0, !rose && len(samples) > 0
}
