package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// raceDetector says that this test has one; then its workers get one, too.
var raceDetector bool

// logged passes lines on to the test's log.
type logged struct{ t *testing.T }

func (l logged) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// TestShortForm is what `make chaos` does, with the scenarios that break most in little time. A failure prints the seed and
// leaves what happened in artifacts/chaos.
func TestShortForm(t *testing.T) {
	t.Parallel()
	seed := uint64(rand.Uint32())
	g, err := newRig(t.Context(), settings{
		seed: seed, artifacts: filepath.Join("..", "..", "artifacts", "chaos"), race: raceDetector, out: logged{t},
		deadline: time.Minute, // a slow machine proves nothing
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.close()) })
	t.Logf("seed %d", seed)
	require.Empty(t, g.playAll(t.Context(), choose(regexp.MustCompile(""), true)))
	for _, f := range []string{"acked.lost", "acked.duplicated", "acked.reordered", "reader.skipped", "reader.repeated"} {
		require.Zero(t, g.tally.values[f], f)
	}
}

func TestScenariosHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range scenarios() {
		require.Regexp(t, `^[a-z]+(-[a-z0-9]+)*$`, s.Name)
		require.NotEmpty(t, s.About, s.Name)
		require.False(t, seen[s.Name], s.Name)
		seen[s.Name] = true
	}
}

func TestWorstFigureCounts(t *testing.T) {
	t.Parallel()
	var f tally
	for _, v := range []float64{2, 7, 3} {
		f.add("kill.recovery_p99", v)
		f.add("idle_txn.effect", v)
		f.add("acked.lost", v)
	}
	require.Equal(t, map[string]float64{"kill.recovery_p99": 7, "idle_txn.effect": 2, "acked.lost": 12}, f.values)
	all, measured := f.rows()
	require.Len(t, all, len(table))
	require.Len(t, measured, 3)
	require.Panics(t, func() { f.add("no such figure", 1) })
}
