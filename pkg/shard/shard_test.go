package shard_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// Slots are stored; were they ever to change, rooms would be written by two workers.
func TestSlotsAreFixedForEver(t *testing.T) {
	t.Parallel()
	// xxh64 of the empty string is ef46db3751d8e999, of "a" d24ec4f1a98c6e5b.
	require.Equal(t, 0x999, shard.Slot(""))
	require.Equal(t, 0xe5b, shard.Slot("a"))
	require.Equal(t, 0x5b&63, shard.UserShard("a"))
}

func TestRoomsAndUsersSpreadEvenly(t *testing.T) {
	t.Parallel()
	shards, users := make([]int, shard.DefaultCount), make([]int, shard.UserShards)
	const n = 64000
	for i := range n {
		slot := shard.Slot(id.RoomID(fmt.Sprintf("!%043d", i)))
		require.True(t, 0 <= slot && slot < shard.Slots)
		shards[shard.Of(slot, shard.DefaultCount)]++
		users[shard.UserShard(id.UserID(fmt.Sprintf("@user%d:example.org", i)))]++
	}
	for i := range shard.DefaultCount {
		require.InDelta(t, n/shard.DefaultCount, shards[i], 200)
		require.InDelta(t, n/shard.UserShards, users[i], 200)
	}
}

func TestOfCoversAllShards(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 3, 64, 4096} {
		seen := map[int]int{}
		for slot := range shard.Slots {
			seen[shard.Of(slot, count)]++
		}
		require.Len(t, seen, count)
		for s, n := range seen {
			require.True(t, 0 <= s && s < count)
			require.InDelta(t, shard.Slots/count, n, 1)
		}
	}
}

func TestRankIsStableUnderRemoval(t *testing.T) {
	t.Parallel()
	workers := []int64{1, 2, 3, 4, 5, 6, 7}
	for i := range 200 {
		key := strconv.Itoa(i)
		ranked := shard.Rank(key, workers)
		require.ElementsMatch(t, workers, ranked)
		reversed := slices.Clone(workers)
		slices.Reverse(reversed)
		require.Equal(t, ranked, shard.Rank(key, reversed))
		first, ok := shard.Pick(key, reversed)
		require.True(t, ok)
		require.Equal(t, ranked[0], first)
		require.Equal(t, ranked[1:], shard.Rank(key, slices.DeleteFunc(slices.Clone(workers), func(w int64) bool { return w == first })))
	}
	require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7}, workers)
	require.Empty(t, shard.Rank("x", nil))
	_, ok := shard.Pick("x", nil)
	require.False(t, ok)
}

func TestPickIsEven(t *testing.T) {
	t.Parallel()
	// Ids as a sequence gives them: consecutive, and with gaps.
	for _, workers := range [][]int64{{1, 2, 3, 4}, {1000001, 1000002, 1000003, 1000004}, {2, 4, 8, 16}} {
		count := map[int64]int{}
		for i := range 8000 {
			w, _ := shard.Pick("@user"+strconv.Itoa(i)+":example.org", workers)
			count[w]++
		}
		for _, w := range workers {
			require.InDelta(t, 2000, count[w], 200)
		}
	}
}

func TestSpreadExamples(t *testing.T) {
	t.Parallel()
	require.Empty(t, shard.Spread(nil, []int64{1}))
	require.Empty(t, shard.Spread([]shard.Shard{{ID: 1}}, nil))
	require.Equal(t, []shard.Move{{Shard: 1, To: 7}}, shard.Spread([]shard.Shard{{ID: 1}}, []int64{7}))
	require.Equal(t, []shard.Move{{Shard: 1, To: 7}}, shard.Spread([]shard.Shard{{ID: 1, Owner: 3}}, []int64{7}))
	require.Empty(t, shard.Spread([]shard.Shard{{ID: 1, Owner: 7}}, []int64{7, 8}))

	// Homeless shards come before those that only move for balance.
	moves := shard.Spread([]shard.Shard{{ID: 1, Owner: 7}, {ID: 2, Owner: 7}, {ID: 3, Owner: 7}, {ID: 9}}, []int64{7, 8})
	require.Len(t, moves, 2)
	require.Equal(t, shard.Move{Shard: 9, To: 8}, moves[0])
	require.EqualValues(t, 8, moves[1].To)
}

func TestSpreadProperties(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		workers := make([]int64, 1+rng.IntN(9))
		for i := range workers {
			workers[i] = int64(i)*3 + 1
		}
		shards := make([]shard.Shard, rng.IntN(70))
		for i := range shards {
			shards[i] = shard.Shard{ID: i * 2}
			switch rng.IntN(4) {
			case 0: // no owner
			case 1:
				shards[i].Owner = 1000 + int64(rng.IntN(2)) // a dead one
			default:
				shards[i].Owner = workers[rng.IntN(1+rng.IntN(len(workers)))]
			}
		}
		moves := shard.Spread(shards, workers)

		// Deterministic, whatever the order.
		rng.Shuffle(len(workers), func(i, j int) { workers[i], workers[j] = workers[j], workers[i] })
		shuffled := slices.Clone(shards)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		require.Equal(t, moves, shard.Spread(shuffled, workers))

		// Each shard moves once at most, to another live worker, the homeless first.
		owner := map[int]int64{}
		for _, s := range shards {
			owner[s.ID] = s.Owner
		}
		moved, balancing := map[int]bool{}, false
		for _, m := range moves {
			require.False(t, moved[m.Shard])
			moved[m.Shard] = true
			require.Contains(t, workers, m.To)
			require.NotEqual(t, owner[m.Shard], m.To)
			homeless := !slices.Contains(workers, owner[m.Shard])
			require.False(t, homeless && balancing, "a homeless shard after one that moves for balance")
			balancing = balancing || !homeless
			owner[m.Shard] = m.To
		}

		// Even.
		count := map[int64]int{}
		for _, o := range owner {
			count[o]++
		}
		least, most := len(shards), 0
		for _, w := range workers {
			least, most = min(least, count[w]), max(most, count[w])
		}
		require.LessOrEqual(t, most-least, 1)
		require.Len(t, moves, fewestMoves(shards, workers))

		// Done: nothing moves any more.
		after := slices.Clone(shards)
		for i := range after {
			after[i].Owner = owner[after[i].ID]
		}
		require.Empty(t, shard.Spread(after, workers))
	}
}

// fewestMoves counts: the homeless, and what is above each worker's share when the fullest get the greater shares.
func fewestMoves(shards []shard.Shard, workers []int64) int {
	count := map[int64]int{}
	for _, w := range workers {
		count[w] = 0
	}
	n := 0
	for _, s := range shards {
		if _, live := count[s.Owner]; live {
			count[s.Owner]++
		} else {
			n++
		}
	}
	have := make([]int, 0, len(count))
	for _, c := range count {
		have = append(have, c)
	}
	slices.Sort(have)
	slices.Reverse(have)
	for i, c := range have {
		share := len(shards) / len(workers)
		if i < len(shards)%len(workers) {
			share++
		}
		n += max(0, c-share)
	}
	return n
}

func BenchmarkSpread(b *testing.B) {
	shards := make([]shard.Shard, shard.DefaultCount)
	for i := range shards {
		shards[i] = shard.Shard{ID: i, Owner: int64(i%3) + 1}
	}
	b.ReportAllocs()
	for b.Loop() {
		shard.Spread(shards, []int64{1, 2, 3, 4, 5})
	}
}
