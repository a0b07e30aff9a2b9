package figures_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/test/e2e/figures"
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
