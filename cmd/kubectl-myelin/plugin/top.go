package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/myelin-hs/myelin/pkg/admin"
)

// clearScreen moves to the upper left corner and clears what is below.
const clearScreen = "\x1b[H\x1b[J"

func topCommand(s *session) *cobra.Command {
	var interval time.Duration
	var count int
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch workers, moves and the stream of blocks",
		Long: "Watch who owns how much, what moves, and how fast the horizon gets on, until Ctrl-C. With -o json each look is an object " +
			"of its own.",
		Example: "  kubectl myelin top\n  kubectl myelin top --interval 500ms\n  kubectl myelin top --count 1",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond || count < 0 {
				return usageError(errors.New("--interval must be at least 100ms, and --count not negative"))
			}
			return s.with(cmd.Context(), func(client api, status admin.Status) error {
				return s.top(cmd.Context(), client, status, interval, count)
			})
		},
	}
	cmd.Flags().DurationVar(&interval, "interval", 2*time.Second, "time between two looks, at least 100ms")
	cmd.Flags().IntVar(&count, "count", 0, "end after this many looks; 0 goes on")
	return cmd
}

// top shows look after look. It ends well when ctx does.
func (s *session) top(ctx context.Context, client api, now admin.Status, interval time.Duration, count int) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var before *admin.Status
	start := ""
	if f, ok := s.out.(*os.File); ok && s.output != outputJSON && s.output != outputYAML {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			start = clearScreen
		}
	}
	for n := 1; ; n++ {
		if err := s.print(now, start+frame(before, now, interval, s.wide(), time.Now())); err != nil {
			return err
		}
		if n == count {
			return nil
		}
		last := now
		before = &last
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var err error
		if now, err = client.Status(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// frame is one look. A position is block<<10 | i, so the horizon's change tells how many blocks were written.
func frame(before *admin.Status, now admin.Status, interval time.Duration, wide bool, clock time.Time) string {
	blocks, moved := "-", 0
	if before != nil {
		blocks = fmt.Sprintf("%.1f/s", float64(now.Horizon>>10-before.Horizon>>10)/interval.Seconds())
		epochs := map[int]int64{}
		for _, x := range before.Shards {
			epochs[x.ID] = x.Epoch
		}
		for _, x := range now.Shards {
			if was, known := epochs[x.ID]; known && was != x.Epoch {
				moved++
			}
		}
	}
	claimed, shown := shardsToShow(now.Shards, false)
	return tabulate(func(w io.Writer) {
		fmt.Fprintf(w, "%s  blocks %s  shards %d of %d claimed  moved since the last look %d\n\n", now.ServerName, blocks, claimed, len(now.Shards), moved)
		writeWorkers(w, now.Workers, wide, clock)
		if len(shown) > 0 {
			fmt.Fprintln(w)
			writeShards(w, shown)
		}
	})
}
