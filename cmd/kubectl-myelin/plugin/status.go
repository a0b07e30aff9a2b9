package plugin

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/myelin-hs/myelin/pkg/admin"
)

func statusCommand(s *session) *cobra.Command {
	var shards bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show pools, workers and who owns the shards",
		Example: "  kubectl myelin status\n  kubectl myelin status --shards\n  kubectl myelin status -o json",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd.Context(), func(_ api, status admin.Status) error {
				return s.print(status, table(status, shards, time.Now()))
			})
		},
	}
	cmd.Flags().BoolVar(&shards, "shards", false, "list every shard, not only those that are unclaimed or moving")
	return cmd
}

// table is the status for people.
func table(status admin.Status, allShards bool, now time.Time) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s  database %s  schema %d  horizon %d\n\n", status.ServerName, status.DatabaseID, status.SchemaVersion, status.Horizon)
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	writePools(w, status.Workers)
	writeWorkers(w, status.Workers, now)
	writeShards(w, status.Shards, allShards)
	_ = w.Flush() // into memory
	return strings.TrimRight(text.String(), "\n")
}

func writePools(w io.Writer, workers []admin.Worker) {
	type pool struct {
		roles        string
		live, shards int
	}
	pools := map[string]*pool{}
	for _, x := range workers {
		if x.State == admin.StateDead {
			continue
		}
		p := pools[x.Pool]
		if p == nil {
			p = &pool{}
			pools[x.Pool] = p
		}
		p.roles = strings.Join(x.Roles, ",")
		p.shards += x.Shards
		if x.State == admin.StateLive {
			p.live++
		}
	}
	fmt.Fprintln(w, "POOL\tROLES\tLIVE\tSHARDS")
	for _, name := range sortedKeys(pools) {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\n", name, pools[name].roles, pools[name].live, pools[name].shards)
	}
}

func writeWorkers(w io.Writer, workers []admin.Worker, now time.Time) {
	workers = slices.Clone(workers)
	slices.SortFunc(workers, func(a, b admin.Worker) int { return cmp.Or(cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.ID, b.ID)) })
	fmt.Fprintln(w, "\nWORKER\tPOD\tSTATE\tSHARDS\tAGE")
	for _, x := range workers {
		if x.State != admin.StateDead {
			fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\n", x.ID, x.Pod, x.State, x.Shards, now.Sub(x.StartedAt).Round(time.Second))
		}
	}
}

func writeShards(w io.Writer, shards []admin.Shard, all bool) {
	claimed := 0
	var shown []admin.Shard
	for _, x := range shards {
		settled := x.Claimed && x.Owner != 0 && x.Target == 0
		if x.Claimed && x.Owner != 0 {
			claimed++
		}
		if all || !settled {
			shown = append(shown, x)
		}
	}
	fmt.Fprintf(w, "\nSHARDS\t%d of %d claimed\n", claimed, len(shards))
	if len(shown) == 0 {
		return
	}
	slices.SortFunc(shown, func(a, b admin.Shard) int { return cmp.Compare(a.ID, b.ID) })
	fmt.Fprintln(w, "\nSHARD\tOWNER\tWORKER\tEPOCH\tCLAIMED\tMOVING TO")
	for _, x := range shown {
		owner, target := cmp.Or(x.OwnerPod, "-"), "-"
		if x.Target != 0 {
			target = fmt.Sprint(x.Target)
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%t\t%s\n", x.ID, owner, x.Owner, x.Epoch, x.Claimed, target)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
