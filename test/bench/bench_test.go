package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/test/figures"
)

// The processes of the floor of HTTP are this binary, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == serve {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := serveHTTP(ctx, os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// short plays the short form of a bench, and returns what it measured.
func short(t *testing.T, name string, look func(r *rig)) []figures.Row {
	t.Helper()
	r, err := newRig(t.Context(), true, testLog{t})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.close()) }()
	b := benches[name]
	measured, err := b.measure(t.Context(), r)
	require.NoError(t, err)
	require.Empty(t, missing(b.table(), measured))
	units := map[string]figures.Row{}
	for _, row := range measured {
		require.NotNil(t, row.Value, row.Name)
		units[row.Name] = row
	}
	for _, row := range b.table() {
		require.Equal(t, row.Unit, units[row.Name].Unit, row.Name)
		require.Equal(t, row.Goal, units[row.Name].Goal, row.Name)
	}
	require.Empty(t, figures.Broken(measured))
	look(r)
	return measured
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) { l.t.Logf("%s", p); return len(p), nil }

func TestSpeedMeasuresEveryFigure(t *testing.T) { short(t, "speed", func(*rig) {}) }

func TestIdleMeasuresEveryFigure(t *testing.T) {
	rows := short(t, "idle", func(*rig) {})
	received := map[string]float64{}
	for _, r := range rows {
		received[r.Name] = *r.Value
	}
	require.Positive(t, received["idle.hundredth_40.redis"])
	require.Greater(t, received["idle.hundredth_100.redis"], received["idle.uninterested_sync_100.redis"], "who serves a user gets bodies, too")
}

func TestGrowthMeasuresAndDrawsEveryCurve(t *testing.T) {
	short(t, "growth", func(r *rig) {
		for _, name := range []string{"rooms", "users", "shards", "history"} {
			require.FileExists(t, filepath.Join(r.dir, "growth-"+name+".svg"))
		}
	})
}

func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"dance"}, {"speed", "idle"}, {"--no-such", "speed"}} {
		require.Error(t, run(t.Context(), args, io.Discard), args)
	}
}

func TestBoundOfAChainOnSharedCores(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 100, bound(100), 1e-9)
	require.InDelta(t, 50, bound(100, 100), 1e-9)
	require.InDelta(t, 7500, bound(75_000, 30_000, 11_538.4615), 1)
}

// What counts is the median of each ratio, not the ratio of medians.
func TestRatesAreMediansOfRatios(t *testing.T) {
	t.Parallel()
	all := []round{
		{postgres: 100, signing: 100, floor: 100, alone: 25, oneCore: 20, uncommitted: 30, uncommittedCore: 20, http: []float64{10, 20, 15}},
		{postgres: 200, signing: 200, floor: 200, alone: 40, oneCore: 20, uncommitted: 40, uncommittedCore: 20, http: []float64{10, 40, 15}},
		{postgres: 100, signing: 100, floor: 100, alone: 40, oneCore: 40, uncommitted: 68, uncommittedCore: 40, http: []float64{0, 10, 15}},
	}
	rows := map[string]float64{}
	for _, r := range rates(all) {
		rows[r.Name] = *r.Value
	}
	require.InDelta(t, 0.5, rows["persister.over_bound"], 1e-9)
	require.InDelta(t, 0.6, rows["http.over_bound"], 1e-9)
	require.InDelta(t, 20, rows["http.rate"], 1e-9)
	require.InDelta(t, 1.7, rows["cores.speedup"], 1e-9)
	require.InDelta(t, 1.25, rows["cores.speedup_with_postgres"], 1e-9)
	require.InDelta(t, 10, rows["http.rate_1_persisters"], 1e-9)
}

func TestAttributesOfTestsAreRead(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[string]float64{"lane.statements": 3, "warm.reads": 0}, attributes(`=== RUN   TestA
=== ATTR  TestA lane.statements 3
    a_test.go:1: === ATTR x
=== ATTR  TestA name of-some-sort
=== ATTR  TestB warm.reads 0
--- PASS: TestA (0.1s)
`))
}

func TestAMeterCountsWhatComesBack(t *testing.T) {
	t.Parallel()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	m, err := newMeter(server.Addr().String())
	require.NoError(t, err)
	for range 3 {
		c, err := net.Dial("tcp", m.listener.Addr().String())
		require.NoError(t, err)
		_, err = c.Write([]byte("twelve bytes"))
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 12))
		require.NoError(t, err)
	}
	m.close()
	require.EqualValues(t, 36, m.received.Load())
}

func TestProcessorTimeAndMemoryAreOfTheProcess(t *testing.T) {
	t.Parallel()
	before, err := cpu(os.Getpid())
	require.NoError(t, err)
	require.Positive(t, before)
	mb, err := rss(os.Getpid())
	require.NoError(t, err)
	require.Positive(t, mb)
	_, err = cpu(1 << 30)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = signingFloor(time.Millisecond)
	require.NoError(t, err)
}
