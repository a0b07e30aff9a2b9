// Command mutants removes each rule of the write path and of the room core in turn and demands that a named test then
// fails. A rule whose removal no test notices is a rule that nobody keeps. Arguments, if any, are parts of the names or
// files of the mutants to try; --some tries thirty of them, others at each commit.
//
// The source is never touched: a mutant is an overlay of the go command.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

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
	some := flag.Bool("some", false, "try thirty mutants, chosen by the commit")
	flag.Parse()
	all := everyMutant()
	if err := stale(all); err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(m mutant) bool { return !m.matches(flag.Args()) })
	if len(chosen) == 0 {
		return fmt.Errorf("no mutant is called %s", strings.Join(flag.Args(), " or "))
	}
	if *some {
		if chosen, err = sample(ctx, chosen, 30); err != nil {
			return err
		}
		fmt.Printf("%d of %d mutants\n", len(chosen), len(all))
	}
	survivors, whole := 0, &unmutated{runs: map[string]func() (string, error){}}
	var mu sync.Mutex // of survivors, and of what is printed
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, m := range chosen {
		g.Go(func() error {
			start := time.Now()
			verdict, out, err := m.try(gctx, filepath.Join(dir, strconv.Itoa(i)), whole)
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if verdict != killed {
				survivors++
			}
			fmt.Printf("%-66s %-9s by %s (%.1f s)\n%s", m.name, verdict, m.test, time.Since(start).Seconds(), out)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	fmt.Printf("%d passed, %d failed\n", len(chosen)-survivors, survivors)
	if survivors > 0 {
		return fmt.Errorf("%d of %d mutants were not killed by their named test", survivors, len(chosen))
	}
	return nil
}

func everyMutant() []mutant {
	return slices.Concat(writePath, horizon, readers, leases, roomOwner, faults, clocks, timers, lagRules, roomCore, plugin)
}

// stale says which mutants the code has moved on from.
func stale(all []mutant) error {
	var gone []error
	for _, m := range all {
		if _, err := m.source(); err != nil {
			gone = append(gone, err)
		}
	}
	return errors.Join(gone...)
}

// sample returns n mutants, in their order, that only the commit decides on.
func sample(ctx context.Context, all []mutant, n int) ([]mutant, error) {
	commit, err := exec.CommandContext(ctx, "git", "rev-parse", "HEAD").Output()
	if err != nil {
		return nil, fmt.Errorf("ask git for the commit: %w", err)
	}
	lot := func(m mutant) uint64 {
		h := fnv.New64a()
		_, _ = h.Write(commit)
		_, _ = io.WriteString(h, m.name)
		return h.Sum64()
	}
	drawn := slices.SortedFunc(slices.Values(all), func(a, b mutant) int { return cmp.Compare(lot(a), lot(b)) })
	drawn = drawn[:min(n, len(drawn))]
	return slices.DeleteFunc(slices.Clone(all), func(m mutant) bool {
		return !slices.ContainsFunc(drawn, func(d mutant) bool { return d.name == m.name })
	}), nil
}

// source returns the mutant's file, which must hold the text to mutate once.
func (m mutant) source() ([]byte, error) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(source, []byte(m.old)); n != 1 {
		return nil, fmt.Errorf("%s: %s holds the text to mutate %d times, not once; the code moved on, so mend the mutant:\n%s", m.name, m.file, n, m.old)
	}
	return source, nil
}

type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "survived"
	other    verdict = "unproven" // the test fails without the mutant too, or the mutant does not build
)

// matches reports whether some of the parts is in the mutant's name or file; of no parts, all do.
func (m mutant) matches(parts []string) bool {
	return len(parts) == 0 || slices.ContainsFunc(parts, func(part string) bool {
		return strings.Contains(m.name, part) || strings.Contains(m.file, part)
	})
}

// atOnce is how many mutants are tried at a time: a test that fails is mostly one that waits in vain.
const atOnce = 4

// unmutated runs the named tests without a mutant, each once.
type unmutated struct {
	mu   sync.Mutex
	runs map[string]func() (string, error) // by package and test
}

func (u *unmutated) test(ctx context.Context, m mutant) (string, error) {
	u.mu.Lock()
	key := m.pkg + " " + m.test
	run, ok := u.runs[key]
	if !ok {
		run = sync.OnceValues(func() (string, error) { return m.goTest(ctx) })
		u.runs[key] = run
	}
	u.mu.Unlock()
	return run()
}

// try runs the named test as it is, and then with the mutation. What there is to say of a test that did not do as it
// should comes with the verdict. dir is for the mutant's files.
func (m mutant) try(ctx context.Context, dir string, whole *unmutated) (verdict, string, error) {
	overlay, err := m.overlay(dir)
	if err != nil {
		return "", "", err
	}
	if out, err := whole.test(ctx, m); err != nil {
		return other, fmt.Sprintf("%s fails without the mutant:\n%s\n", m.test, out), ctx.Err()
	}
	out, err := m.goTest(ctx, "-overlay", overlay)
	switch {
	case ctx.Err() != nil:
		return "", "", ctx.Err()
	case err == nil:
		return survived, "", nil
	case strings.Contains(out, "--- FAIL: "+m.test):
		return killed, "", nil
	default:
		return other, out, nil
	}
}

// overlay writes the mutated file, and the go command's overlay that puts it in the place of the source.
func (m mutant) overlay(dir string) (string, error) {
	source, err := m.source()
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
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
	return overlay, os.WriteFile(overlay, text, 0o600)
}

func (m mutant) goTest(ctx context.Context, extra ...string) (string, error) {
	args := append([]string{"test", "-count=1", "-timeout=5m", "-run", "^" + m.test + "$"}, extra...)
	out, err := exec.CommandContext(ctx, "go", append(args, m.pkg)...).CombinedOutput()
	if err == nil && strings.Contains(string(out), "no tests to run") {
		return string(out), fmt.Errorf("there is no test %s in %s", m.test, m.pkg)
	}
	return string(out), err
}
