package main

import (
	"syscall"
	"time"
)

// slice is how long a function is called before it is the other's turn, turns how many slices a run has of each.
const (
	slice = 10 * time.Millisecond
	turns = 12
)

// A timed function is called often enough to fill a slice.
type timed struct {
	f     func()
	calls int
	took  time.Duration
}

func newTimed(f func()) *timed {
	t := &timed{f: f, calls: 1}
	for t.once() < slice/2 {
		t.calls *= 2
	}
	return t
}

// once fills a slice.
func (t *timed) once() time.Duration {
	start := cpuTime()
	for range t.calls {
		t.f()
	}
	return cpuTime() - start
}

// nanoseconds is what a call took.
func (t *timed) nanoseconds() float64 { return float64(t.took.Nanoseconds()) / float64(turns*t.calls) }

// takeTurns is a run.
func takeTurns(all ...*timed) {
	for range turns {
		for _, t := range all {
			t.took += t.once()
		}
	}
}

// nanoseconds measures f by itself.
func nanoseconds(f func()) float64 {
	t := newTimed(f)
	takeTurns(t)
	return t.nanoseconds()
}

// ratio measures how many times as long as floor f takes.
func ratio(f, floor func()) float64 {
	a, b := newTimed(f), newTimed(floor)
	takeTurns(a, b)
	return a.nanoseconds() / b.nanoseconds()
}

// cpuTime is what the process has used of all cores, the garbage collector's share included. Unlike a clock it stands
// still while others have the cores.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // there is no other error than a wrong argument
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
