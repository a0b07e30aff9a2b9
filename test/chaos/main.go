// Command chaos breaks a homeserver of real worker processes, over a real Postgres and Redis, while clients write and
// listen; it judges what they saw, and writes artifacts/chaos.json. docs/chaos.md says how to read it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/figures"
)

func main() {
	command.Main("chaos", func(ctx context.Context) error { return run(ctx, os.Args[1:], os.Stdout) })
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	seed := flags.Uint64("seed", 0, "`number` that decides what is left to chance; 0: a new one")
	only := flags.String("only", "", "`regexp` of the names of the scenarios to run")
	short := flags.Bool("short", false, "only the scenarios that `make test` runs")
	race := flags.Bool("race", false, "build the workers with the race detector, which makes them slow")
	keep := flags.Bool("keep", false, "keep the histories of scenarios that pass, too")
	list := flags.Bool("list", false, "list the scenarios and exit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	names, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("--only: %w", err)
	}
	if *seed == 0 {
		*seed = uint64(rand.Uint32())
	}
	chosen := choose(names, *short)
	if len(chosen) == 0 {
		return errors.New("there is no such scenario")
	}
	if *list {
		for _, s := range chosen {
			fmt.Fprintf(out, "%-24s %s\n", s.Name, s.About)
		}
		return nil
	}
	g, err := newRig(ctx, settings{seed: *seed, keep: *keep, artifacts: filepath.Join("artifacts", "chaos"), race: *race, out: out})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "seed %d, %d scenarios\n", *seed, len(chosen))
	failed := g.playAll(ctx, chosen)
	if err := g.close(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	all, measured := g.tally.rows()
	figures.Print(out, measured)
	if err := figures.Write("chaos", all, measured); err != nil {
		return err
	}
	err = figures.Kept(measured)
	if len(failed) > 0 {
		err = errors.Join(fmt.Errorf("%d of %d scenarios failed: %s (seed %d)", len(failed), len(chosen), strings.Join(failed, ", "), *seed), err)
	}
	return err
}

// playAll runs scenarios one after the other, those that need quiet first, and those aside beside the rest. It returns the names of those that failed.
func (g *rig) playAll(ctx context.Context, chosen []Scenario) []string {
	var mu sync.Mutex
	var failed []string
	play := func(s Scenario) {
		if ctx.Err() == nil && !g.play(ctx, s) {
			mu.Lock()
			failed = append(failed, s.Name)
			mu.Unlock()
		}
	}
	for _, s := range chosen {
		if s.Quiet {
			play(s)
		}
	}
	var aside sync.WaitGroup
	g.others.Add(1)
	for _, s := range chosen {
		if s.Aside {
			aside.Go(func() { play(s) })
		}
	}
	for _, s := range chosen {
		if !s.Aside && !s.Quiet {
			play(s)
		}
	}
	g.others.Done()
	aside.Wait()
	return failed
}
