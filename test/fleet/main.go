// Command fleet measures the operator with many Homeservers, on a real API server with neither nodes nor workers: how much
// memory it holds, what it writes when there is nothing to do, and how often it asks the API server. It writes its rows of
// artifacts/operator.json. Its tests let random resources loose on the operator in the same way.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/figures"
)

func main() { command.Main("fleet", run) }

func run(ctx context.Context) error {
	var s Scale
	var program string
	flag.IntVar(&s.Homeservers, "homeservers", 100, "how many")
	flag.IntVar(&s.Pods, "pods", 10, "pods of each Homeserver, at least 4")
	flag.DurationVar(&s.Watch, "watch", 2*time.Minute, "how long the idle operator's requests are counted")
	flag.StringVar(&program, "operator", "bin/operator", "`path` of the operator")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if s.Homeservers < 1 || s.Pods < 4 || s.Watch <= 0 {
		return errors.New("--homeservers must be at least 1, --pods at least 4 and --watch positive")
	}
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("the operator is not built; `make build` does it: %w", err)
	}
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute+s.Watch)
	defer cancel()
	dir, err := os.MkdirTemp("", "myelin-fleet-")
	if err != nil {
		return err
	}
	f, err := NewFleet(ctx, ".", dir, []string{program})
	if err != nil {
		return err
	}
	rows, err := s.measure(ctx, f)
	err = errors.Join(err, f.Stop())
	if err != nil {
		return fmt.Errorf("%w (the logs are in %s)", err, dir)
	}
	figures.Print(os.Stdout, rows)
	return errors.Join(figures.Write("operator", nil, rows), os.RemoveAll(dir), figures.Kept(rows))
}
