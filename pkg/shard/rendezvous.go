package shard

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Rank returns workers in the order in which they should serve key: highest random weight first. Taking a worker out
// leaves the order of the others as it was, so only what was with it moves. workers is not changed; its order does
// not matter.
func Rank(key string, workers []int64) []int64 {
	h := xxhash.Sum64String(key)
	ranked := slices.Clone(workers)
	slices.SortFunc(ranked, func(a, b int64) int { return compareWeight(h, a, b) })
	return ranked
}

// Pick returns the first of [Rank] without sorting; false if there are no workers.
func Pick(key string, workers []int64) (int64, bool) {
	if len(workers) == 0 {
		return 0, false
	}
	h := xxhash.Sum64String(key)
	best := workers[0]
	for _, w := range workers[1:] {
		if compareWeight(h, w, best) < 0 {
			best = w
		}
	}
	return best, true
}

// compareWeight orders a before b if a weighs more for the key with hash h.
func compareWeight(h uint64, a, b int64) int {
	return cmp.Or(cmp.Compare(weight(h, b), weight(h, a)), cmp.Compare(a, b))
}

// weight mixes twice: ids of workers are small consecutive numbers, and one round leaves patterns between them.
func weight(h uint64, worker int64) uint64 { return mix(h ^ mix(uint64(worker))) }

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
