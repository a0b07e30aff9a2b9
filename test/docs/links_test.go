package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+?) *$`)
	quoted  = regexp.MustCompile("`[^`\n]*`")
	unslug  = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// A link within the project leads to a file that is there, and to a heading that it has.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		pages = append(pages, found...)
	}
	require.NotEmpty(t, pages)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, match := range link.FindAllStringSubmatch(quoted.ReplaceAllString(string(text), ""), -1) {
			require.NoError(t, leads(page, match[1]), "%s", page)
		}
	}
	here := filepath.Join(root, "docs/roadmap.md")
	for _, wrong := range []string{"nothing.md", "roadmap.md#nothing", "#nothing"} {
		require.Error(t, leads(here, wrong))
	}
}

func leads(page, target string) error {
	if strings.Contains(target, "://") {
		return nil
	}
	file, anchor, anchored := strings.Cut(target, "#")
	path := page
	if file != "" {
		path = filepath.Join(filepath.Dir(page), file)
	}
	text, err := os.ReadFile(path)
	if info, stated := os.Stat(path); stated == nil && info.IsDir() && !anchored {
		return nil
	}
	if err != nil {
		return fmt.Errorf("a link to %s leads nowhere", target)
	}
	if !anchored {
		return nil
	}
	for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
		if strings.ReplaceAll(unslug.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor {
			return nil
		}
	}
	return fmt.Errorf("%s has no heading #%s", path, anchor)
}
