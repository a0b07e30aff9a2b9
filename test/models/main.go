// Command models verifies the Promela models of the protocol beside it, each by exhaustive search, and demands that each
// rule of a model, removed, makes it fail for the reason that the table names (models.go). What a model says, which code
// it mirrors and what its rules are is in its header. Arguments, if any, are parts of the names of the models, scopes or
// rules to try.
//
// It prints a line as each search ends, writes artifacts/models.json, and leaves the steps to an unexpected failure in
// artifacts/models-NAME.trail. It needs Debian's packages spin and gcc.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/pkg/service"
	"github.com/myelin-hs/myelin/test/figures"
)

const folder = "test/models"

func main() {
	ctx, release := service.Signals(context.Background())
	defer release()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "models:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, parts []string) error {
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("there is no %s on this machine: install Debian's package %s, or run `make setup`", tool, tool)
		}
	}
	dir, err := os.MkdirTemp("", "myelin-models-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	searches := plan(parts)
	if len(searches) == 0 {
		return fmt.Errorf("no model, scope or rule is called %s", strings.Join(parts, " or "))
	}
	old, _ := filepath.Glob("artifacts/models-*.trail") // the pattern is a good one
	for _, trail := range old {
		if err := os.Remove(trail); err != nil {
			return err
		}
	}
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(min(2, runtime.NumCPU())) // a search may take 1 GB
	fmt.Printf("%-9s %-8s %-27s %-33s %11s %8s\n", "MODEL", "SCOPE", "WITHOUT", "RESULT", "STATES", "SECONDS")
	for i, s := range searches {
		group.Go(func() error {
			own := filepath.Join(dir, fmt.Sprint(i))
			if err := os.Mkdir(own, 0o700); err != nil {
				return err
			}
			if err := s.try(ctx, own); err != nil {
				return fmt.Errorf("%s: %w", s.name(), err)
			}
			fmt.Printf("%-9s %-8s %-27s %-33s %11d %8.1f\n", s.model.name, s.scope.name, s.removed.rule, s.result(), s.states, s.took.Seconds())
			return os.RemoveAll(own)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	wrong := faults(searches, len(parts) == 0)
	for _, w := range wrong {
		fmt.Println(w)
	}
	passed := 0
	for _, s := range searches {
		if s.ok() {
			passed++
		}
	}
	fmt.Printf("%d passed, %d failed, in %.0f s\n", passed, len(searches)-passed, time.Since(began).Seconds())
	if len(parts) == 0 {
		rows := rowsOf(searches, len(wrong), time.Since(began))
		if err := figures.Write("models", rows, rows); err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d of %d searches did not end as they must, or left something out", len(wrong), len(searches))
	}
	return nil
}

// plan lists the searches that match some of the parts; of no parts, all.
func plan(parts []string) []*search {
	var all []*search
	for _, m := range models {
		for _, sc := range m.scopes {
			all = append(all, &search{model: m, scope: sc})
		}
		for _, r := range m.rules {
			all = append(all, &search{model: m, scope: m.scope(r.scope), removed: r})
		}
	}
	return slices.DeleteFunc(all, func(s *search) bool {
		return len(parts) > 0 && !slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(s.name(), p) })
	})
}

// faults says what is wrong: searches that ended otherwise than they must, and, of a whole run, assertions that no
// removed rule hits and code that no scope reaches, for those show nothing.
func faults(searches []*search, whole bool) []string {
	var wrong []string
	hit := map[string]bool{}
	unreached := map[string]int{}
	for _, s := range searches {
		if !s.ok() {
			wrong = append(wrong, fmt.Sprintf("%s: %s, but must end with: %s", s.name(), s.result(), s.want()))
		}
		if s.failedAt != "" {
			hit[s.failedAt] = true
		}
		if s.removed.rule == "" {
			for _, line := range s.unreached {
				unreached[line]++
			}
		}
	}
	if !whole {
		return wrong
	}
	for _, m := range models {
		for _, at := range m.assertions() {
			if !hit[at] {
				wrong = append(wrong, at+": no removed rule hits this assertion")
			}
		}
		for line, n := range unreached {
			if strings.HasPrefix(line, m.name+".pml:") && n == len(m.scopes) {
				wrong = append(wrong, line+": no scope reaches this")
			}
		}
	}
	return wrong
}

func rowsOf(searches []*search, wrong int, took time.Duration) []figures.Row {
	var rows []figures.Row
	violated, survived := 0, 0
	for _, s := range searches {
		switch {
		case s.removed.rule == "":
			states, seconds := float64(s.states), s.took.Seconds()
			rows = append(rows,
				figures.Row{Name: s.model.name + "." + s.scope.name + ".states", Value: &states, Unit: "states"},
				figures.Row{Name: s.model.name + "." + s.scope.name + ".time", Value: &seconds, Unit: "s"})
			if !s.ok() {
				violated++
			}
		case !s.ok():
			survived++
		}
	}
	return append(rows,
		figures.AtMost("models.violated", "searches", float64(violated), 0),
		figures.AtMost("models.unnoticed", "rules", float64(survived), 0),
		figures.AtMost("models.faults", "findings", float64(wrong), 0),
		figures.AtMost("models.time", "s", took.Seconds(), 240))
}
