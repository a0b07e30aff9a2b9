package measure_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/cmd/loadgen/measure"
)

func TestRowsTellPercentilesAndRates(t *testing.T) {
	t.Parallel()
	r := measure.New("send", "sync")
	for i := range 1000 {
		r.OK("send", time.Duration(i+1)*time.Millisecond)
	}
	r.Failed("send", "503 M_UNKNOWN")
	r.Failed("send", "503 M_UNKNOWN")
	r.OK("deliver", 0)
	rows := r.Rows(10 * time.Second)
	require.Len(t, rows, 3)
	send := rows[0]
	require.Equal(t, "send", send.Kind)
	require.Equal(t, 1000, send.OK)
	require.Equal(t, 2, send.Failed)
	require.Equal(t, map[string]int{"503 M_UNKNOWN": 2}, send.Reasons)
	require.InDelta(t, 100, send.Rate, 0.001)
	for want, got := range map[float64]float64{500: send.P50, 900: send.P90, 990: send.P99, 999: send.P999, 1000: send.Max} {
		require.InEpsilon(t, want, got, 0.002)
	}
	require.Equal(t, measure.Row{Kind: "sync"}, rows[1], "what never happened has no times")
	deliver, found := measure.Find(rows, "deliver")
	require.True(t, found)
	require.Equal(t, 1, deliver.OK)
	_, found = measure.Find(rows, "nothing")
	require.False(t, found)
}

func TestTimesAndReasonsAreBounded(t *testing.T) {
	t.Parallel()
	r := measure.New()
	r.OK("send", 24*time.Hour)
	for i := range 1000 {
		r.Failed("send", fmt.Sprint(i))
	}
	row := r.Rows(0)[0]
	require.InEpsilon(t, float64(measure.Longest.Milliseconds()), row.Max, 0.002)
	require.LessOrEqual(t, len(row.Reasons), 21)
	require.Equal(t, 1000, row.Failed)
	require.Equal(t, 980, row.Reasons["other"])
}
