package shard

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// A Shard is what the planner needs to know of one.
type Shard struct {
	ID int
	// Owner is the worker that holds the lease, 0 if none does.
	Owner int64
}

// A Move gives a shard to another worker.
type Move struct {
	Shard int
	To    int64
}

// Spread plans the fewest moves after which the counts of any two workers differ by at most one. Shards without an
// owner, or whose owner is not among workers, come first, each to the worker with room for it that [Rank] puts first;
// then those that overfull workers give away, the ones they rank lowest for. The order of the arguments does not
// matter. Without workers there are no moves.
func Spread(shards []Shard, workers []int64) []Move {
	if len(workers) == 0 || len(shards) == 0 {
		return nil
	}
	workers = slices.Clone(workers)
	slices.Sort(workers)
	workers = slices.Compact(workers)

	// Every worker ends with floor shards, and spare of them with one more.
	floor, spare := len(shards)/len(workers), len(shards)%len(workers)

	owned := make(map[int64][]int, len(workers))
	for _, w := range workers {
		owned[w] = nil
	}
	var homeless []int
	for _, s := range shards {
		if have, live := owned[s.Owner]; live {
			owned[s.Owner] = append(have, s.ID)
		} else {
			homeless = append(homeless, s.ID)
		}
	}
	slices.Sort(homeless)

	// Who holds more than the floor now gets to keep one more, the fullest first: each saves one move.
	byCount := slices.Clone(workers)
	slices.SortStableFunc(byCount, func(a, b int64) int { return cmp.Compare(len(owned[b]), len(owned[a])) })
	count := make(map[int64]int, len(workers))
	var excess []int
	for _, w := range byCount {
		keep := floor
		if len(owned[w]) > floor && spare > 0 {
			keep++
			spare--
		}
		ids := owned[w]
		slices.SortFunc(ids, func(a, b int) int {
			return cmp.Or(cmp.Compare(weight(hash(b), w), weight(hash(a), w)), cmp.Compare(a, b))
		})
		if len(ids) > keep {
			excess = append(excess, ids[keep:]...)
			ids = ids[:keep]
		}
		count[w] = len(ids)
	}
	slices.Sort(excess)

	moves := make([]Move, 0, len(homeless)+len(excess))
	for _, s := range append(homeless, excess...) {
		for _, w := range Rank(strconv.Itoa(s), workers) {
			if count[w] < floor {
				count[w]++
			} else if count[w] == floor && spare > 0 {
				count[w]++
				spare--
			} else {
				continue
			}
			moves = append(moves, Move{Shard: s, To: w})
			break
		}
	}
	return moves
}

func hash(shard int) uint64 { return xxhash.Sum64String(strconv.Itoa(shard)) }
