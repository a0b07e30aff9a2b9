package lag_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/lag"
)

func TestAReadingIsWrittenInMilliseconds(t *testing.T) {
	t.Parallel()
	r := lag.Reading{
		lag.Persister: lag.Sharded([]time.Duration{0, 12 * ms, 650 * ms, 0}),
		lag.Sync:      {},
	}
	text, err := json.Marshal(r)
	require.NoError(t, err)
	require.JSONEq(t, `{"persister":{"ms":650,"shards":[650,12]},"sync":{"ms":0}}`, string(text))
	var read lag.Reading
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, r, read)
}

func TestWhatWaitsIsNeverWrittenAsZero(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(lag.Sharded([]time.Duration{time.Nanosecond}))
	require.NoError(t, err)
	require.JSONEq(t, `{"ms":1,"shards":[1]}`, string(text))
}

func TestAReadingNamesABoundedNumberOfShards(t *testing.T) {
	t.Parallel()
	ages := make([]time.Duration, 64)
	for i := range ages {
		ages[i] = time.Duration(i) * ms
	}
	l := lag.Sharded(ages)
	require.Equal(t, 63*ms, l.Oldest)
	require.Len(t, l.Shards, lag.MaxShards)
	require.Equal(t, 48*ms, l.Shards[lag.MaxShards-1], "the longest are kept")
	require.Equal(t, time.Duration(0), ages[0], "what was given is as it was")
	require.Equal(t, lag.Lag{}, lag.Sharded(nil))
}

func TestTheGreatestOfAllRoles(t *testing.T) {
	t.Parallel()
	oldest, known := lag.Reading{lag.Persister: {Oldest: 3 * ms}, lag.Sync: {Oldest: 5 * ms}}.Oldest()
	require.True(t, known)
	require.Equal(t, 5*ms, oldest)
	_, known = lag.Reading{}.Oldest()
	require.False(t, known)
	_, known = lag.Reading(nil).Oldest()
	require.False(t, known)
}
