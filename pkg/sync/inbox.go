package sync

import "slices"

const (
	// maxBodies is how many bodies wait for P; beyond it they are dropped and will be read from Postgres.
	maxBodies = 64
	// maxWanted is how many covered blocks wait for their bodies; a model further behind is read anew.
	maxWanted = 256
)

// An inbox brings bodies from the bus and the horizon's index together: it hands out bodies in the order of the blocks,
// and only those that P has covered.
type inbox[T any] struct {
	bodies  map[int64]T
	want    []int64 // covered, not handed out; ascending
	covered int64   // the greatest block that was covered or settled
	arrived chan struct{}
}

// hear takes a body, early or late.
func (in *inbox[T]) hear(block int64, body T) {
	if block <= in.covered && !slices.Contains(in.want, block) {
		return
	}
	if in.bodies == nil || len(in.bodies) >= maxBodies {
		in.bodies = map[int64]T{}
	}
	in.bodies[block] = body
}

// cover says that P has covered a block that concerns the model.
func (in *inbox[T]) cover(block int64) {
	if block <= in.covered {
		return
	}
	in.covered = block
	in.want = append(in.want, block)
}

// next hands out the next body; false if the next block's has not come, or none is wanted.
func (in *inbox[T]) next() (body T, ok bool) {
	if len(in.want) == 0 {
		in.signal()
		return body, false
	}
	if body, ok = in.bodies[in.want[0]]; ok {
		delete(in.bodies, in.want[0])
		in.want = in.want[1:]
	}
	return body, ok
}

// settle says that everything up to a block is known otherwise.
func (in *inbox[T]) settle(block int64) {
	in.covered = max(in.covered, block)
	i, _ := slices.BinarySearch(in.want, block+1)
	in.want = slices.Clone(in.want[i:])
	for b := range in.bodies {
		if b <= block {
			delete(in.bodies, b)
		}
	}
	if len(in.want) == 0 {
		in.signal()
	}
}

// restart forgets everything.
func (in *inbox[T]) restart() {
	in.signal()
	*in = inbox[T]{}
}

// lacks reports whether a body of a block up to this one is missing.
func (in *inbox[T]) lacks(block int64) bool { return len(in.want) > 0 && in.want[0] <= block }

// complete returns a channel that is closed when nothing is wanted any more.
func (in *inbox[T]) complete() <-chan struct{} {
	if in.arrived == nil {
		in.arrived = make(chan struct{})
	}
	return in.arrived
}

func (in *inbox[T]) signal() {
	if in.arrived != nil {
		close(in.arrived)
		in.arrived = nil
	}
}
