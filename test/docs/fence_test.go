package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A fence is a block of code in a document.
type fence struct {
	file     string // relative to the root
	line     int    // of its first line of text
	language string
	text     string
}

func (f fence) String() string { return fmt.Sprintf("%s:%d", f.file, f.line) }

// fences are those of README.md and docs/*.md.
func fences(t *testing.T) []fence {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	require.NoError(t, err)
	var all []fence
	for _, name := range append([]string{filepath.Join(root, "README.md")}, files...) {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		relative, err := filepath.Rel(root, name)
		require.NoError(t, err)
		found, err := fencesOf(relative, string(raw))
		require.NoError(t, err)
		all = append(all, found...)
	}
	return all
}

func fencesOf(file, text string) (all []fence, err error) {
	var open *fence
	for i, line := range strings.Split(text, "\n") {
		language, marks := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case marks && open == nil:
			open = &fence{file: file, line: i + 2, language: language}
		case marks:
			all, open = append(all, *open), nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%v: the block has no end", open)
	}
	return all, nil
}

// A language that is not here is a slip, such as ```bash, whose commands nobody would try.
func TestFencesAreOfKnownLanguages(t *testing.T) {
	t.Parallel()
	known := []string{"sh", "yaml", "sql", "json", ""}
	for _, f := range fences(t) {
		require.Contains(t, known, f.language, "%v: say ```sh for commands", f)
		if f.language != "" {
			continue
		}
		for _, line := range strings.Split(f.text, "\n") {
			first, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "$")), " ")
			require.False(t, slices.Contains([]string{"kubectl", "make", "helm", "go", "worker"}, first), "%v: say ```sh for commands: %s", f, line)
		}
	}
}
