// Command benchcore measures the room core: what judging, building and canonicalising an event costs, and resolving a
// large room's state. It prints the figures with their goals and writes artifacts/bench-core.json; docs/performance.md
// says what each means. No figure fails it: the machine may be slow. Times are of the processor, so that what else runs
// does not count, and what is a ratio is measured against its floor in turns, so that both see the same machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/myelin-hs/myelin/test/figures"
)

// runs is how often each figure is measured; the median counts.
const runs = 5

func main() {
	asJSON := flag.Bool("json", false, "print the file instead of the table")
	flag.Parse()
	if err := run(*asJSON); err != nil {
		fmt.Fprintln(os.Stderr, "benchcore:", err)
		os.Exit(1)
	}
}

func run(asJSON bool) error {
	var rows []figures.Row
	for _, measure := range []func() ([]figures.Row, error){auth, build, canonical, resolution} {
		measured, err := measure()
		if err != nil {
			return err
		}
		rows = append(rows, measured...)
	}
	if err := figures.Write("bench-core", rows, rows); err != nil {
		return err
	}
	if !asJSON {
		figures.Print(os.Stdout, rows)
		return nil
	}
	text, err := os.ReadFile("artifacts/bench-core.json")
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

// repeat returns the median of some runs, and tells how it gets on.
func repeat(name, unit string, measure func() float64) float64 {
	values := make([]float64, 0, runs)
	for i := range runs {
		values = append(values, measure())
		fmt.Fprintf(os.Stderr, "%s %d/%d: %.4g %s\n", name, i+1, runs, values[i], unit)
	}
	slices.Sort(values)
	return values[runs/2]
}
