package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPlotIsWellFormedAndNamesWhatItShows(t *testing.T) {
	t.Parallel()
	text := string(Plot{
		Title: "Load & lag", XLabel: "time (s)",
		Panels: []Panel{
			{YLabel: "events/s", Series: []Series{{Name: "<load>", Points: []Point{{0, 40}, {30, 120}}}}},
			{YLabel: "pods", Series: []Series{{Name: "replicas", Steps: true, Points: []Point{{0, 1}, {30, 3}}}}},
		},
	}.SVG())
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
	}
	for _, want := range []string{"Load &amp; lag", "time (s)", "events/s", "&lt;load&gt;", "pods", "replicas", "prefers-color-scheme"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "NaN")
	require.NotContains(t, text, "<script")
}

func TestAnEmptyPlotIsStillOne(t *testing.T) {
	t.Parallel()
	for _, logX := range []bool{false, true} {
		for _, points := range [][]Point{nil, {{1, 0}}} {
			text := string(Plot{LogX: logX, Panels: []Panel{{Series: []Series{{Points: points}}}}}.SVG())
			require.NotContains(t, text, "NaN")
			require.NotContains(t, text, "Inf")
		}
	}
}

func TestScalesHoldTheirValuesAndHaveFewRoundTicks(t *testing.T) {
	t.Parallel()
	for _, most := range []float64{0.003, 0.7, 1, 9, 47, 120, 5234, 1e6} {
		s := linear(0, most, 0, 100)
		require.GreaterOrEqual(t, s.most, most)
		require.LessOrEqual(t, len(s.ticks), 8, "%v", s.ticks)
		require.GreaterOrEqual(t, len(s.ticks), 3, "%v", s.ticks)
		require.InDelta(t, 100*most/s.most, s.at(most), 0.001)
	}
	s := logarithmic(100, 100_000, 0, 300)
	require.Equal(t, []float64{100, 1000, 10_000, 100_000}, s.ticks)
	require.InDelta(t, 100, s.at(1000), 0.001)
	require.False(t, math.IsNaN(logarithmic(10, 10, 0, 1).at(10)))
}

func TestNumbersAreShort(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"0", "0.25", "120", "5000", "100 k", "1 M"},
		[]string{number(0), number(0.25), number(120), number(5000), number(100_000), number(1e6)})
}
