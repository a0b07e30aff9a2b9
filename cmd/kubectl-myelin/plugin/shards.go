package plugin

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/myelin-hs/myelin/pkg/admin"
)

func shardsCommand(s *session) *cobra.Command {
	var unsettled bool
	cmd := &cobra.Command{
		Use:     "shards",
		Short:   "List the shards and who owns them",
		Example: "  kubectl myelin shards\n  kubectl myelin shards --unsettled",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd.Context(), func(_ api, status admin.Status) error {
				_, shown := shardsToShow(status.Shards, !unsettled)
				return s.print(shown, tabulate(func(w io.Writer) { writeShards(w, shown) }))
			})
		},
	}
	cmd.Flags().BoolVar(&unsettled, "unsettled", false, "list only those that are unclaimed or moving")
	return cmd
}

// shardsToShow are all, or those that are unclaimed or moving, in order; claimed counts among all.
func shardsToShow(shards []admin.Shard, all bool) (claimed int, shown []admin.Shard) {
	shown = []admin.Shard{}
	for _, x := range shards {
		has := x.Claimed && x.Owner != 0
		if has {
			claimed++
		}
		if all || !has || x.Target != 0 {
			shown = append(shown, x)
		}
	}
	slices.SortFunc(shown, func(a, b admin.Shard) int { return cmp.Compare(a.ID, b.ID) })
	return claimed, shown
}

func writeShards(w io.Writer, shards []admin.Shard) {
	fmt.Fprintln(w, "SHARD\tOWNER\tWORKER\tEPOCH\tCLAIMED\tMOVING TO")
	for _, x := range shards {
		owner, target := cmp.Or(x.OwnerPod, "-"), "-"
		if x.Target != 0 {
			target = fmt.Sprint(x.Target)
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%t\t%s\n", x.ID, owner, x.Owner, x.Epoch, x.Claimed, target)
	}
}
