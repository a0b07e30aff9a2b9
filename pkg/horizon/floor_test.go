package horizon

import (
	"sync"
	"testing/synctest"
	"time"
)

// A floor is what a test in a bubble and the fake that it looks at share. The test has it, but while it lets time pass;
// then whatever the bubble runs asks the fake.
type floor struct{ sync.Mutex }

// pass lets so much of the bubble's time pass, and all come to rest.
func (f *floor) pass(d time.Duration) {
	f.Unlock()
	<-time.After(d)
	synctest.Wait()
	f.Lock()
}

// gaps returns what lies between the times.
func gaps(at []time.Duration) (between []time.Duration) {
	for i := 1; i < len(at); i++ {
		between = append(between, at[i]-at[i-1])
	}
	return between
}

// first returns the first n at most.
func first(n int, all []time.Duration) []time.Duration { return all[:min(n, len(all))] }

func each(n int, d time.Duration) (all []time.Duration) {
	for range n {
		all = append(all, d)
	}
	return all
}
