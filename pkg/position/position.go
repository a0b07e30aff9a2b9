// Package position holds the places of rows in the one stream of a homeserver, and the tokens that clients carry
// them in.
//
// A position is block<<10 | index: the transaction that wrote the row, and the row's place in it. Positions of
// backfilled events are negative: they come from a sequence of their own and never enter incremental reads.
package position

import "fmt"

// A Position is a place in the stream. Zero is before everything.
type Position int64

const (
	// IndexBits is how many low bits of a position hold the index.
	IndexBits = 10
	// MaxIndex is the greatest index within a block.
	MaxIndex = 1<<IndexBits - 1
	// MaxBlock is the greatest block.
	MaxBlock = 1<<(63-IndexBits) - 1
)

// New returns the position of row i, of [0, MaxIndex], in a block of [0, MaxBlock]. It panics outside of them: the
// bounds of a block are enforced where it is built, and a silent overflow would name another row.
func New(block int64, i int) Position {
	if block < 0 || block > MaxBlock || i < 0 || i > MaxIndex {
		panic(fmt.Sprintf("position: block %d, index %d out of range", block, i))
	}
	return Position(block<<IndexBits | int64(i))
}

// BlockEnd returns the last position of a block: what a horizon that covers the whole block stands at.
func BlockEnd(block int64) Position { return New(block, MaxIndex) }

// Block returns the transaction's place in the stream.
func (p Position) Block() int64 { return int64(p) >> IndexBits }

// Index returns the row's place in its block.
func (p Position) Index() int { return int(int64(p) & MaxIndex) }
