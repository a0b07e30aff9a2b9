// Command mutants removes each rule of the write path in turn and demands that a named test then fails. A rule whose
// removal no test notices is a rule that nobody keeps.
//
// The source is never touched: a mutant is an overlay of the go command.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/pkg/service"
)

func main() {
	ctx, release := service.Signals(context.Background())
	defer release()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "myelin-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	survivors := 0
	for _, m := range mutants {
		start := time.Now()
		verdict, err := m.try(ctx, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if verdict != killed {
			survivors++
		}
		fmt.Printf("%-60s %-9s by %s (%.1f s)\n", m.name, verdict, m.test, time.Since(start).Seconds())
	}
	fmt.Printf("%d passed, %d failed\n", len(mutants)-survivors, survivors)
	if survivors > 0 {
		return fmt.Errorf("%d of %d mutants were not killed by their named test", survivors, len(mutants))
	}
	return nil
}

type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "survived"
	other    verdict = "unproven" // the test fails without the mutant too, or the mutant does not build
)

// try runs the named test as it is, then with the mutation.
func (m mutant) try(ctx context.Context, dir string) (verdict, error) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(source, []byte(m.old)); n != 1 {
		return "", fmt.Errorf("%s holds the text to mutate %d times, not once; the code moved on, so mend the mutant:\n%s", m.file, n, m.old)
	}
	file := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(file, bytes.Replace(source, []byte(m.old), []byte(m.new), 1), 0o600); err != nil {
		return "", err
	}
	absolute, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {absolute: file}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return "", err
	}
	if out, err := m.goTest(ctx); err != nil {
		fmt.Printf("%s fails without the mutant:\n%s\n", m.test, out)
		return other, ctx.Err()
	}
	out, err := m.goTest(ctx, "-overlay", overlay)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err == nil:
		return survived, nil
	case strings.Contains(out, "--- FAIL: "+m.test):
		return killed, nil
	default:
		fmt.Println(out)
		return other, nil
	}
}

func (m mutant) goTest(ctx context.Context, extra ...string) (string, error) {
	args := append([]string{"test", "-count=1", "-timeout=120s", "-run", "^" + m.test + "$"}, extra...)
	out, err := exec.CommandContext(ctx, "go", append(args, m.pkg)...).CombinedOutput()
	if err == nil && strings.Contains(string(out), "no tests to run") {
		return string(out), fmt.Errorf("there is no test %s in %s", m.test, m.pkg)
	}
	return string(out), err
}
