package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/myelin-hs/myelin/pkg/admin"
)

// A drained worker is looked at this often.
const drainPoll = 250 * time.Millisecond

func drainCommand(s *session) *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:     "drain WORKER",
		Short:   "Have a worker give away all its shards and take nothing new",
		Long:    "Have a worker give away all its shards and take nothing new. It stays up, with nothing to do, until its pod is deleted; after five minutes it starts again as a new worker.",
		Example: "  kubectl myelin drain demo-persister-6d5f-x2x9z",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if wait < 0 {
				return usageError(errors.New("--wait must not be negative"))
			}
			return s.with(cmd.Context(), func(client api, status admin.Status) error {
				w, err := findWorker(args[0], status)
				if err != nil {
					return err
				}
				if err := client.Drain(cmd.Context(), w.ID); err != nil {
					return err
				}
				if wait > 0 {
					if w, err = drained(cmd.Context(), client, w.ID, wait); err != nil {
						return err
					}
				}
				return s.print(w, fmt.Sprintf("worker %d (%s) is draining and owns %d shards", w.ID, w.Pod, w.Shards))
			})
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "wait this long for it to own no shard; 0 does not wait")
	return cmd
}

// drained waits until the worker owns nothing, and returns what it last saw of it.
func drained(ctx context.Context, client api, id int64, most time.Duration) (admin.Worker, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	last := admin.Worker{ID: id}
	for {
		status, err := client.Status(ctx)
		if err != nil && ctx.Err() == nil {
			return last, err
		}
		gone := err == nil
		for _, w := range status.Workers {
			if w.ID == id && w.State != admin.StateDead {
				last, gone = w, w.Shards == 0
			}
		}
		if gone {
			last.Shards = 0
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("worker %d still owns %d shards after %v", id, last.Shards, most)
		case <-tick.C:
		}
	}
}
