// Package search finds the greatest rate that a server keeps up with.
package search

// Bounds of a search.
type Bounds struct {
	From, To  float64 // rates, requests a second; 0 < From <= To
	Step      float64 // by which the rate grows or shrinks until the greatest is bracketed, above 1
	Precision float64 // the search ends when the rate that fails is at most so much above one that passes, as 0.05
	Doubt     int     // how often a rate that fails is tried again before it counts as failed
	Confirm   int     // how often the rate found is lowered, each time by Precision, until it passes the confirmation
}

// A Try plays a rate and reports whether the server kept up. confirm asks for a longer look. An error ends the search.
type Try func(rate float64, confirm bool) (bool, error)

// Greatest returns the greatest rate that passes: the rate grows from Bounds.From by Bounds.Step until one fails or Bounds.To
// is reached, or shrinks until one passes; then the gap is halved until it is within the precision; then the rate is
// confirmed. It is 0 if nothing passes down to an eighth of Bounds.From, or no rate is confirmed. Every search ends: rates
// grow up to To, shrink to an eighth, and each step halves the gap.
func Greatest(b Bounds, once Try) (float64, error) {
	try := func(rate float64, confirm bool) (ok bool, err error) {
		for range b.Doubt + 1 {
			if ok, err = once(rate, confirm); ok || err != nil {
				break
			}
		}
		return ok, err
	}
	passes, fails, err := bracket(b, try)
	if err != nil || passes == 0 {
		return 0, err
	}
	for fails > passes*(1+b.Precision) {
		middle := (passes + fails) / 2
		ok, err := try(middle, false)
		if err != nil {
			return 0, err
		}
		if ok {
			passes = middle
		} else {
			fails = middle
		}
	}
	for range b.Confirm + 1 {
		ok, err := try(passes, true)
		if err != nil {
			return 0, err
		}
		if ok {
			return passes, nil
		}
		passes *= 1 - b.Precision
	}
	return 0, nil
}

// bracket returns a rate that passes, 0 if none does, and the least one known to fail, 0 if none does.
func bracket(b Bounds, try Try) (passes, fails float64, err error) {
	for rate := b.From; ; {
		ok, err := try(rate, false)
		switch {
		case err != nil:
			return 0, 0, err
		case ok && (rate >= b.To || fails > 0):
			return rate, fails, nil
		case ok:
			passes = rate
			rate = min(b.Step*rate, b.To)
		case passes > 0:
			return passes, rate, nil
		case rate <= b.From/8:
			return 0, rate, nil
		default:
			fails = rate
			rate /= b.Step
		}
	}
}
