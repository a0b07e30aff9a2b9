package docs_test

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// helm renders what would be installed, with the values that are named: the chart's schema refuses what it does not know. Of
// what needs a release that is there only the flags count, and of an upgrade the values too.
func helm(t *testing.T, c command) error {
	if len(c.words) < 2 {
		return errors.New("no rule says how to try it")
	}
	args := slices.Clone(c.words[1:])
	switch args[0] {
	case "install":
		args[0] = "template"
	case "template", "lint", "show":
	case "upgrade":
		if err := pinnedHelm(t, append(slices.Clone(args), "--help")); err != nil {
			return err
		}
		args = slices.DeleteFunc(args, func(word string) bool {
			return slices.Contains([]string{"--install", "--reuse-values", "--reset-values", "--reset-then-reuse-values", "--cleanup-on-fail"}, word)
		})
		args[0] = "template"
	case "uninstall", "get", "history", "rollback", "list", "status":
		args = append(args, "--help")
	default:
		return errors.New("no rule says how to try it")
	}
	return pinnedHelm(t, args)
}

// helmPath is Helm at the version that hack/helm pins, built once, into Go's cache.
var helmPath = sync.OnceValues(func() (string, error) {
	const pinned = "-modfile=" + root + "/hack/helm/go.mod"
	if out, err := exec.Command("go", "tool", pinned, "helm", "version").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build Helm: %w: %s", err, out)
	}
	out, err := exec.Command("go", "tool", pinned, "-n", "helm").Output()
	return strings.TrimSpace(string(out)), err
})

// pinnedHelm runs it without any cluster: then it takes its own, old version for the server's.
func pinnedHelm(t *testing.T, args []string) error {
	path, err := helmPath()
	if err != nil {
		return err
	}
	if args[0] == "template" {
		args = append(args, "--kube-version", "v1.34.0")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = root
	cmd.WaitDelay = time.Minute
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
