package plugin

import (
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
				return s.print(status, table(status, shards || s.wide(), s.wide(), time.Now()))
			})
		},
	}
	cmd.Flags().BoolVar(&shards, "shards", false, "list every shard, not only those that are unclaimed or moving")
	return cmd
}

// table is the status for people.
func table(status admin.Status, allShards, wide bool, now time.Time) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s  database %s  schema %d  horizon %d\n\n", status.ServerName, status.DatabaseID, status.SchemaVersion, status.Horizon)
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	writePools(w, status.Workers)
	fmt.Fprintln(w)
	writeWorkers(w, status.Workers, wide, now)
	claimed, shown := shardsToShow(status.Shards, allShards)
	fmt.Fprintf(w, "\nSHARDS\t%d of %d claimed\n", claimed, len(status.Shards))
	if len(shown) > 0 {
		fmt.Fprintln(w)
		writeShards(w, shown)
	}
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

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
