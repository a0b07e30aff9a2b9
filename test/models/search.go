package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	searchLimit = 5 * time.Minute // most take seconds
	memoryLimit = 1000            // MB
	depthLimit  = 500_000
)

// A search looks at every state of a model in one scope, with at most one rule removed.
type search struct {
	model   model
	scope   scope
	removed rule

	// Set by try.
	states    int
	took      time.Duration // of the processor: what else runs does not count
	reason    string        // why it failed; empty: it holds
	failedAt  string        // file:line of the assertion
	unreached []string      // file:line: text
}

func (s *search) name() string {
	return strings.Trim(s.model.name+"."+s.scope.name+"."+strings.ReplaceAll(s.removed.rule, " ", "+"), ".")
}

// want is what the reason must contain.
func (s *search) want() string {
	if s.removed.want == "" {
		return "holds"
	}
	return s.removed.want
}

func (s *search) result() string {
	if s.reason == "" {
		return "holds"
	}
	return "fails: " + s.reason
}

func (s *search) ok() bool {
	if s.removed.want == "" {
		return s.reason == ""
	}
	return strings.Contains(s.reason, s.removed.want)
}

var (
	statesLine    = regexp.MustCompile(`(\d+) states, stored`)
	errorsLine    = regexp.MustCompile(`errors: (\d+)`)
	unreachedLine = regexp.MustCompile(`(?m)^\t(?:.*/)?(\w+\.pml:\d+), state \d+, "(.*)"$`)
	failedLine    = regexp.MustCompile(`(?m)^spin: (?:.*/)?(\w+\.pml):(\d+), Error: assertion violated`)
	tag           = regexp.MustCompile(`assert\(.*/\*\s*(.*?)\s*\*/`)
)

// try searches in dir, which is empty. An error means that the search could not be made; that the model fails is in
// reason.
func (s *search) try(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, searchLimit, fmt.Errorf("the search took longer than %s", searchLimit))
	defer cancel()
	text, err := os.ReadFile(filepath.Join(folder, s.model.file()))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, s.model.file()), text, 0o600); err != nil {
		return err
	}
	defines := s.defines()
	if _, err := s.command(ctx, dir, "spin", append(append([]string{"-a"}, defines...), s.model.file())...); err != nil {
		return err
	}
	compile := []string{"-O2", "-w", "-DNFAIR=4", fmt.Sprintf("-DMEMLIM=%d", memoryLimit), "-o", "pan", "pan.c"}
	look := []string{"-m" + strconv.Itoa(depthLimit)}
	if s.scope.claim == "" {
		compile = append(compile, "-DSAFETY", "-DNOCLAIM")
	} else {
		look = append(look, "-a", "-f")
	}
	if _, err := s.command(ctx, dir, "gcc", compile...); err != nil {
		return err
	}
	out, err := s.command(ctx, dir, "./pan", look...)
	if err != nil {
		return err
	}
	for _, bad := range []string{"max search depth too small", "out of memory", "memory limit", "too many"} {
		if strings.Contains(out, bad) {
			return fmt.Errorf("the search is not complete:\n%s", out)
		}
	}
	states, failed := statesLine.FindStringSubmatch(out), errorsLine.FindStringSubmatch(out)
	if states == nil || failed == nil {
		return fmt.Errorf("the search tells no result:\n%s", out)
	}
	s.states, _ = strconv.Atoi(states[1])
	if failed[1] == "0" {
		for _, m := range unreachedLine.FindAllStringSubmatch(out, -1) {
			if m[2] != "-end-" {
				s.unreached = append(s.unreached, m[1]+": "+m[2])
			}
		}
		slices.Sort(s.unreached)
		s.unreached = slices.Compact(s.unreached)
		return nil
	}
	return s.explain(ctx, dir, out, string(text))
}

func (s *search) defines() []string {
	var all []string
	for _, d := range slices.Concat(s.scope.defines, strings.Fields(s.removed.rule)) {
		all = append(all, "-D"+d)
	}
	return all
}

// explain goes the steps of the trail again and finds which promise they break.
func (s *search) explain(ctx context.Context, dir, out, text string) error {
	steps, err := s.command(ctx, dir, "spin", append(append([]string{"-t", "-p", "-g"}, s.defines()...), s.model.file())...)
	if err != nil {
		return err
	}
	switch at := failedLine.FindStringSubmatch(steps); {
	case at != nil:
		s.failedAt = at[1] + ":" + at[2]
		line, _ := strconv.Atoi(at[2])
		s.reason = "untold"
		if m := tag.FindStringSubmatch(strings.Split(text, "\n")[line-1]); m != nil {
			s.reason = m[1]
		}
	case strings.Contains(out, "acceptance cycle"):
		s.reason = s.scope.claim
	case strings.Contains(out, "invalid end state"):
		s.reason = "stands still"
	default:
		s.reason = "unknown"
	}
	if s.ok() {
		return nil
	}
	if err := os.MkdirAll("artifacts", 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("artifacts", "models-"+s.name()+".trail"), []byte(steps), 0o644)
}

// command runs a tool and returns what it printed. A search that finds something, or a trail that ends in a failure,
// does not make it fail.
func (s *search) command(ctx context.Context, dir, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.WaitDelay = time.Second // for what a tool started itself
	out, err := c.CombinedOutput()
	if c.ProcessState != nil {
		s.took += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if quits := new(exec.ExitError); errors.As(err, &quits) && (name == "./pan" || args[0] == "-t") {
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return string(out), nil
}
