package position_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/position"
)

func TestPositionsKeepBlockAndIndex(t *testing.T) {
	t.Parallel()
	for _, block := range []int64{0, 1, 7, 1 << 40, position.MaxBlock} {
		for _, i := range []int{0, 1, 199, position.MaxIndex} {
			p := position.New(block, i)
			require.Equal(t, block, p.Block())
			require.Equal(t, i, p.Index())
			require.GreaterOrEqual(t, p, position.Position(0))
		}
	}
	require.EqualValues(t, 5<<10|3, position.New(5, 3))
	require.EqualValues(t, math.MaxInt64, position.New(position.MaxBlock, position.MaxIndex))
	require.Less(t, position.New(5, position.MaxIndex), position.New(6, 0))
	require.Equal(t, position.New(6, 0)-1, position.BlockEnd(5))
}

func TestNewPanicsOutOfRange(t *testing.T) {
	t.Parallel()
	for _, f := range []func(){
		func() { position.New(-1, 0) }, func() { position.New(position.MaxBlock+1, 0) },
		func() { position.New(1, -1) }, func() { position.New(1, position.MaxIndex+1) },
	} {
		require.Panics(t, f)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	for _, p := range []position.Position{0, 1, position.New(123, 45), math.MaxInt64} {
		got, err := position.ParseSyncToken(p.SyncToken())
		require.NoError(t, err)
		require.Equal(t, p, got)
		got, err = position.ParsePageToken(p.SyncToken())
		require.NoError(t, err, "clients paginate from a sync token")
		require.Equal(t, p, got)
	}
	for _, p := range []position.Position{math.MinInt64, -5, 0, 7, math.MaxInt64} {
		got, err := position.ParsePageToken(p.PageToken())
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
	require.Equal(t, "s42", position.Position(42).SyncToken())
	require.Equal(t, "t-42", position.Position(-42).PageToken())
}

func TestTokensRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "s", "42", "s-1", "s+1", "s01", "s1 ", " s1", "S1", "s1.5", "s1e3", "s0x1", "s1_0", "s-0", "s9223372036854775808", "s1~2", "~", "s1~", "x1",
	} {
		_, err := position.ParseSyncToken(s)
		require.ErrorIs(t, err, position.ErrToken, s)
		_, err = position.ParsePageToken(s)
		require.ErrorIs(t, err, position.ErrToken, s)
	}
	for _, s := range []string{"t", "t01", "t-0", "t--1", "t1~3", "t9223372036854775808"} {
		_, err := position.ParsePageToken(s)
		require.ErrorIs(t, err, position.ErrToken, s)
	}
	_, err := position.ParseSyncToken("t1")
	require.ErrorIs(t, err, position.ErrToken)
	_, err = position.ParseSyncToken("s1~2")
	require.ErrorContains(t, err, "reserved")
}
