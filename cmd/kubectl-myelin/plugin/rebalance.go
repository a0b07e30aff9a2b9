package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/myelin-hs/myelin/pkg/admin"
)

// Shards that move are looked at this often.
const rebalancePoll = 250 * time.Millisecond

// A shardMove is a change of a shard's owner between two looks.
type shardMove struct {
	Shard int    `json:"shard"`
	From  string `json:"from"`
	To    string `json:"to"`
	Epoch int64  `json:"epoch"`
}

func rebalanceCommand(s *session) *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "rebalance",
		Short: "Have the shards spread evenly now, and show what moves",
		Long: "Have the shards spread evenly now, by planned handoffs that fail no request, and show what moved. The balancer does so by itself\n" +
			"within seconds of any change; this asks it to look at once, and waits. Cordoned workers keep what they have and are not counted.",
		Example: "  kubectl myelin rebalance\n  kubectl myelin rebalance --wait 5m -o json",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wait < 0 {
				return usageError(errors.New("--wait must not be negative"))
			}
			return s.with(cmd.Context(), func(client api, before admin.Status) error {
				if _, err := client.Rebalance(cmd.Context()); err != nil {
					return err
				}
				now, waited := before, error(nil)
				if wait > 0 {
					now, waited = awaitEven(cmd.Context(), client, before, wait)
				}
				moved := movedSince(before, now)
				text := tabulate(func(w io.Writer) {
					fmt.Fprintf(w, "%d of %d shards moved\n", len(moved), len(now.Shards))
					if len(moved) > 0 {
						fmt.Fprintln(w, "\nSHARD\tFROM\tTO\tEPOCH")
					}
					for _, m := range moved {
						fmt.Fprintf(w, "%d\t%s\t%s\t%d\n", m.Shard, orDash(m.From), orDash(m.To), m.Epoch)
					}
				})
				if wait == 0 {
					text = "the balancer has been asked"
				}
				return errors.Join(s.print(moved, text), waited)
			})
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "wait this long for the shards to be spread evenly; 0 does not wait")
	return cmd
}

// awaitEven waits until the shards are spread evenly, and returns what it last saw.
func awaitEven(ctx context.Context, client api, now admin.Status, most time.Duration) (admin.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(rebalancePoll)
	defer tick.Stop()
	for {
		uneven := whyUneven(now)
		if uneven == "" {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return now, fmt.Errorf("after %v the shards are not spread evenly yet: %s", most, uneven)
		case <-tick.C:
		}
		next, err := client.Status(ctx)
		switch {
		case err == nil:
			now = next
		case ctx.Err() == nil:
			return now, err
		}
	}
}

// whyUneven says what keeps the balancer from being done; empty if nothing does.
func whyUneven(status admin.Status) string {
	owned := map[int64]int{} // by those that it spreads over
	for _, w := range status.Workers {
		if w.State == admin.StateLive && !w.Cordoned && slices.Contains(w.Roles, "persister") {
			owned[w.ID] = 0
		}
	}
	if len(owned) == 0 {
		return "there is no live event persister that is not cordoned"
	}
	moving := 0
	for _, x := range status.Shards {
		if _, counts := owned[x.Owner]; counts {
			owned[x.Owner]++
		}
		if x.Target != 0 || !x.Claimed {
			moving++
		}
	}
	if moving > 0 {
		return fmt.Sprintf("%d are moving or unclaimed", moving)
	}
	least, most := len(status.Shards), 0
	for _, n := range owned {
		least, most = min(least, n), max(most, n)
	}
	if most-least > 1 {
		return fmt.Sprintf("one worker owns %d, another %d", most, least)
	}
	return ""
}

func movedSince(before, now admin.Status) []shardMove {
	moved := []shardMove{}
	was := map[int]admin.Shard{}
	for _, x := range before.Shards {
		was[x.ID] = x
	}
	for _, x := range now.Shards {
		if old, known := was[x.ID]; known && old.Owner != x.Owner {
			moved = append(moved, shardMove{x.ID, old.OwnerPod, x.OwnerPod, x.Epoch})
		}
	}
	slices.SortFunc(moved, func(a, b shardMove) int { return a.Shard - b.Shard })
	return moved
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
