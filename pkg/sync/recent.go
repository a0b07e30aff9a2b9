package sync

import (
	"sync"

	"github.com/myelin-hs/myelin/pkg/bus"
)

// maxRecent is how many rooms one half of the index of recent changes holds.
const maxRecent = 1 << 18

// recent knows the last block of every room that changed since a floor, so that a sync finds what changed without
// looking at the rooms. It has two halves; when the younger is full the older is dropped and the floor rises.
type recent struct {
	mu                   sync.Mutex
	old, young           map[uint64]int64
	oldFloor, youngFloor int64
	max                  int
}

func (r *recent) reset(floor int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.old, r.young = map[uint64]int64{}, map[uint64]int64{}
	r.oldFloor, r.youngFloor = floor, floor
}

func (r *recent) add(blocks []bus.BlockIndex) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range blocks {
		if len(r.young) >= r.max {
			r.old, r.oldFloor = r.young, r.youngFloor
			r.young, r.youngFloor = map[uint64]int64{}, b.Block-1
		}
		for _, room := range b.Rooms {
			r.young[room] = b.Block
		}
	}
}

// changedSince returns the elements whose room changed after a block; false if that block is below the floor. Rooms
// that share a hash are both reported.
func changedSince[T any](r *recent, all []T, hash func(T) uint64, block int64) ([]T, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if block < r.oldFloor {
		return nil, false
	}
	var changed []T
	for _, x := range all {
		h := hash(x)
		if r.young[h] > block || r.old[h] > block {
			changed = append(changed, x)
		}
	}
	return changed, true
}
