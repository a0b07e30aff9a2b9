package figures_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/test/figures"
)

func TestWriteKeepsWhatAnEarlierRunOfTheCommitMeasured(t *testing.T) {
	t.Chdir(t.TempDir()) // no repository: the commit is "unknown" each time
	table := []figures.Row{figures.Unmeasured("a", "ms", "≤ 1"), figures.Unmeasured("b", "ms", "0"), figures.Unmeasured("c", "MB", "≤ 2")}
	require.NoError(t, figures.Write("x", table, []figures.Row{figures.AtMost("b", "ms", 3, 0), figures.AtMost("extra", "n", 0, 0)}))
	require.NoError(t, figures.Write("x", table, []figures.Row{figures.AtMost("a", "ms", 1, 1)}))
	text, err := os.ReadFile("artifacts/x.json")
	require.NoError(t, err)
	var f figures.File
	require.NoError(t, json.Unmarshal(text, &f))
	require.Equal(t, []figures.Row{figures.AtMost("a", "ms", 1, 1), figures.AtMost("b", "ms", 3, 0), figures.Unmeasured("c", "MB", "≤ 2")}, f.Rows)
	require.Equal(t, []string{"b"}, figures.Broken(append(f.Rows, figures.AtMost("slow", "ms", 2, 1))))
}

func TestFiguresAreGoodUpToOrFromTheirGoal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		row  figures.Row
		goal string
		ok   bool
	}{
		{figures.AtMost("a", "ms", 2, 2), "≤ 2", true},
		{figures.AtMost("a", "ms", 2.1, 2), "≤ 2", false},
		{figures.AtMost("a", "ms", 0, 0), "0", true},
		{figures.AtLeast("a", "ratio", 2, 2), "≥ 2", true},
		{figures.AtLeast("a", "ratio", 1.9, 2), "≥ 2", false},
	} {
		require.Equal(t, tt.goal, tt.row.Goal)
		require.Equal(t, tt.ok, *tt.row.OK)
	}
}
