package main

import (
	"crypto/ed25519"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// signingFloor is how many signatures a second all cores make of what is signed of a message.
func signingFloor(length time.Duration) (float64, error) {
	ev, err := message()
	if err != nil {
		return 0, err
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	var made atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range runtime.NumCPU() {
		all.Go(func() {
			for time.Since(began) < length {
				for range 10 {
					ed25519.Sign(key, ev.JSON())
				}
				made.Add(10)
			}
		})
	}
	all.Wait()
	return float64(made.Load()) / time.Since(began).Seconds(), nil
}
