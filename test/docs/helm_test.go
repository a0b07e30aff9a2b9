package docs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// helm wants a chart that is there, and values that it knows. What the chart renders is tested where it is.
func helm(t *testing.T, c command) error {
	if len(c.words) < 2 {
		return errors.New("no rule says how to try it")
	}
	switch c.words[1] {
	case "uninstall", "get", "history", "rollback", "list", "status":
		return nil
	case "install", "upgrade", "template", "show", "lint":
	default:
		return errors.New("no rule says how to try it")
	}
	chart := slices.IndexFunc(c.words, func(word string) bool {
		_, err := os.Stat(filepath.Join(root, word, "Chart.yaml"))
		return strings.Contains(word, "charts/") && err == nil
	})
	if chart < 0 {
		return errors.New("it names no chart")
	}
	raw, err := os.ReadFile(filepath.Join(root, c.words[chart], "values.yaml"))
	require.NoError(t, err)
	var values any
	require.NoError(t, yaml.Unmarshal(raw, &values))
	for i, word := range c.words[:len(c.words)-1] {
		if word != "--set" && word != "--set-string" && word != "--set-json" {
			continue
		}
		for _, one := range strings.Split(c.words[i+1], ",") {
			key, _, assigns := strings.Cut(one, "=")
			if !assigns || !hasValue(values, strings.Split(key, ".")) {
				return fmt.Errorf("the chart has no value %s", key)
			}
		}
	}
	return nil
}

// hasValue says whether the chart's values have this key.
func hasValue(values any, key []string) bool {
	for _, name := range key {
		name, _, _ = strings.Cut(name, "[")
		object, ok := values.(map[string]any)
		if !ok {
			return false
		}
		if values, ok = object[name]; !ok {
			return false
		}
	}
	return true
}
