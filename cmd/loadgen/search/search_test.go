package search_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/cmd/loadgen/search"
)

var bounds = search.Bounds{From: 100, To: 100_000, Step: 2, Precision: 0.05, Confirm: 3}

func TestGreatestIsWithinThePrecision(t *testing.T) {
	t.Parallel()
	for _, limit := range []float64{13, 40, 99, 100, 101, 777, 5000, 63_999} {
		tries := 0
		got, err := search.Greatest(bounds, func(rate float64, _ bool) (bool, error) { tries++; return rate <= limit, nil })
		require.NoError(t, err)
		require.LessOrEqual(t, got, limit)
		require.Greater(t, got*1.05, limit)
		require.Less(t, tries, 20)
	}
}

func TestASearchEndsWhateverItIsTold(t *testing.T) {
	t.Parallel()
	got, err := search.Greatest(bounds, func(rate float64, _ bool) (bool, error) { return true, nil })
	require.NoError(t, err)
	require.Equal(t, bounds.To, got, "no limit below the bound")
	got, err = search.Greatest(bounds, func(rate float64, _ bool) (bool, error) { return false, nil })
	require.NoError(t, err)
	require.Zero(t, got)
	tries := 0
	_, err = search.Greatest(bounds, func(rate float64, _ bool) (bool, error) { tries++; return tries%2 == 0, nil })
	require.NoError(t, err)
	require.Less(t, tries, 20)
}

func TestARateCountsOnlyOnceItIsConfirmed(t *testing.T) {
	t.Parallel()
	longer := func(rate float64, confirm bool) (bool, error) { return rate <= 1000 && (!confirm || rate <= 900), nil }
	got, err := search.Greatest(bounds, longer)
	require.NoError(t, err)
	require.LessOrEqual(t, got, 900.0)
	require.Greater(t, got, 800.0)
	never := func(_ float64, confirm bool) (bool, error) { return !confirm, nil }
	got, err = search.Greatest(bounds, never)
	require.NoError(t, err)
	require.Zero(t, got)
}

func TestAFailureIsDoubted(t *testing.T) {
	t.Parallel()
	doubting, tries := bounds, 0
	doubting.Doubt = 1
	got, err := search.Greatest(doubting, func(rate float64, _ bool) (bool, error) { tries++; return rate <= 777 && tries > 1, nil })
	require.NoError(t, err)
	require.LessOrEqual(t, got, 777.0, "what fails twice has failed")
	require.Greater(t, got*1.05, 777.0, "a server that was cold at first is not slow")
}

func TestAnErrorEndsTheSearch(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for n := range 9 {
		tries := 0
		_, err := search.Greatest(bounds, func(rate float64, _ bool) (bool, error) {
			if tries++; tries > n {
				return false, gone
			}
			return rate < 1000, nil
		})
		require.ErrorIs(t, err, gone)
	}
}
