package main

import "time"

// slice is how long a function runs before it is the other's turn, turns how many slices a run has of each.
const (
	slice = 20 * time.Millisecond
	turns = 10
)

// A timed function is called often enough to fill a slice.
type timed struct {
	f     func()
	calls int
	took  time.Duration
	n     int
}

func newTimed(f func()) *timed {
	t := &timed{f: f, calls: 1}
	for t.once() < slice/2 {
		t.calls *= 2
	}
	t.took, t.n = 0, 0
	return t
}

// once fills a slice.
func (t *timed) once() time.Duration {
	start := time.Now()
	for range t.calls {
		t.f()
	}
	took := time.Since(start)
	t.took += took
	t.n += t.calls
	return took
}

// nanoseconds is what a call took.
func (t *timed) nanoseconds() float64 { return float64(t.took.Nanoseconds()) / float64(t.n) }

// nanoseconds measures f by itself.
func nanoseconds(f func()) float64 {
	t := newTimed(f)
	for range turns {
		t.once()
	}
	return t.nanoseconds()
}

// ratio measures how many times as long as floor f takes, in turns.
func ratio(f, floor func()) float64 {
	a, b := newTimed(f), newTimed(floor)
	for range turns {
		a.once()
		b.once()
	}
	return a.nanoseconds() / b.nanoseconds()
}
