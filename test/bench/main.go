// Command bench measures the homeserver as a whole: how near it comes to what the machine can do at all (make bench), what a
// worker costs that has nothing to do with the traffic (make bench-idle), what an event costs while rooms, users, shards and
// history grow (make bench-growth), and where the time goes (make bench-profile). docs/performance.md says what each figure
// means. No time fails a run: the machine may be slow or busy.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/figures"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == serve {
		command.Main("bench", func(ctx context.Context) error { return serveHTTP(ctx, os.Args[2:]) })
		return
	}
	command.Main("bench", func(ctx context.Context) error { return run(ctx, os.Args[1:], os.Stdout) })
}

// benches are what can be measured.
var benches = map[string]struct {
	file    string // below artifacts, without .json
	table   func() []figures.Row
	measure func(ctx context.Context, r *rig) ([]figures.Row, error)
}{
	"speed":   {"bench", speedTable, speed},
	"memory":  {"bench-memory", memoryTable, memory},
	"idle":    {"bench-idle", idleTable, idle},
	"growth":  {"bench-growth", growthTable, growth},
	"profile": {"bench-profile", profileTable, profile},
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	short := flags.Bool("short", false, "as little of everything as shows that it works; the figures mean nothing")
	rate := flags.Float64("rate", 1500, "events/s of profile")
	flags.Usage = func() {
		fmt.Fprintf(out, "bench [flags] speed|memory|idle|growth|profile\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, known := benches[flags.Arg(0)]
	if !known || flags.NArg() != 1 {
		return errors.New("say one of speed, memory, idle, growth and profile")
	}
	if !(*rate >= 1 && *rate <= 100_000) {
		return fmt.Errorf("--rate: %v is not between 1 and 100000", *rate)
	}
	r, err := newRig(ctx, *short, out)
	if err != nil {
		return err
	}
	r.rate = *rate
	defer func() { err = errors.Join(err, r.close()) }()
	measured, err := b.measure(ctx, r)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fmt.Fprintln(out)
	figures.Print(out, measured)
	file := b.file
	if *short {
		file += "-short" // never to be taken for figures
	}
	if err := figures.Write(file, b.table(), measured); err != nil {
		return err
	}
	if missed := missing(b.table(), measured); len(missed) > 0 {
		return fmt.Errorf("not measured: %s", strings.Join(missed, ", "))
	}
	return figures.Kept(measured)
}

// missing names the figures of the table that were not measured.
func missing(table, measured []figures.Row) []string {
	have := map[string]bool{}
	for _, r := range measured {
		have[r.Name] = true
	}
	var names []string
	for _, r := range table {
		if !have[r.Name] {
			names = append(names, r.Name)
		}
	}
	return names
}
