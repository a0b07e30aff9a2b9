// Package docs_test holds the project's documents to what they say: what they name exists, and what they tell people to
// type is accepted.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// constants of api/v1alpha1 by prefix of their names, with their values.
func constants(t *testing.T, prefixes ...string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "api/v1alpha1/*.go"))
	require.NoError(t, err)
	values := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				one := spec.(*ast.ValueSpec)
				for i, n := range one.Names {
					for _, prefix := range prefixes {
						if literal, ok := valueOf(one, i); ok && strings.HasPrefix(n.Name, prefix) {
							values[literal] = true
						}
					}
				}
			}
		}
	}
	require.NotEmpty(t, values)
	return values
}

func valueOf(spec *ast.ValueSpec, i int) (string, bool) {
	if i >= len(spec.Values) {
		return "", false
	}
	literal, ok := spec.Values[i].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

// Whoever reads a reason in kubectl get finds it in the page that says what to do, and nothing that does not exist.
func TestEveryReasonIsExplained(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(root, "docs/troubleshooting.md"))
	require.NoError(t, err)
	_, text, found := strings.Cut(string(raw), "\n## Reasons\n")
	require.True(t, found)
	reasons, events, found := strings.Cut(text, "\n## Events\n")
	require.True(t, found)
	for _, test := range []struct {
		text, what string
		values     map[string]bool
		entry      *regexp.Regexp
	}{
		{reasons, "reason of a condition", constants(t, "Reason"), regexp.MustCompile("(?m)^\\* (`[A-Za-z]+`(?:, `[A-Za-z]+`)*): ")},
		{events, "reason of an Event", constants(t, "Event"), regexp.MustCompile("(?m)^\\| (`[A-Za-z]+`(?:, `[A-Za-z]+`)*)")},
	} {
		explained := map[string]bool{}
		for _, entry := range test.entry.FindAllStringSubmatch(test.text, -1) {
			for _, name := range strings.Split(entry[1], ", ") {
				explained[strings.Trim(name, "`")] = true
			}
		}
		for value := range test.values {
			require.True(t, explained[value], "docs/troubleshooting.md does not explain the %s %s: what it means, and what to do", test.what, value)
		}
		for name := range explained {
			require.True(t, test.values[name], "docs/troubleshooting.md explains the %s %s, which api/v1alpha1 does not have", test.what, name)
		}
	}
}
