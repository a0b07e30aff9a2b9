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

func workersCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:     "workers",
		Short:   "List the workers and what they own",
		Long:    "List the workers and what they own. With -o wide also those that died in the last minutes.",
		Example: "  kubectl myelin workers\n  kubectl myelin workers -o wide",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd.Context(), func(_ api, status admin.Status) error {
				return s.print(status.Workers, tabulate(func(w io.Writer) { writeWorkers(w, status.Workers, s.wide(), time.Now()) }))
			})
		},
	}
}

// writeWorkers writes a table of those that are not dead; a wide one has all, and more of each.
func writeWorkers(w io.Writer, workers []admin.Worker, wide bool, now time.Time) {
	workers = slices.Clone(workers)
	slices.SortFunc(workers, func(a, b admin.Worker) int { return cmp.Or(cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.ID, b.ID)) })
	more := ""
	if wide {
		more = "\tPOOL\tROLES\tADDRESS\tHEARTBEAT"
	}
	fmt.Fprintln(w, "WORKER\tPOD\tSTATE\tSHARDS\tLAG\tAGE"+more)
	for _, x := range workers {
		if x.State == admin.StateDead && !wide {
			continue
		}
		if wide {
			more = fmt.Sprintf("\t%s\t%s\t%s\t%s", x.Pool, strings.Join(x.Roles, ","), x.Addr, heartbeat(x))
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%s%s\n", x.ID, x.Pod, stateOf(x), x.Shards, lagOf(x), now.Sub(x.StartedAt).Round(time.Second), more)
	}
}

// stateOf is written as kubectl writes that of nodes.
func stateOf(x admin.Worker) string {
	if x.Cordoned && x.State != admin.StateDead {
		return x.State + ",cordoned"
	}
	return x.State
}

// lagOf says how long a worker's oldest work has waited: "-" if its roles have none, or it is not known.
func lagOf(x admin.Worker) string {
	oldest, known := x.Lag.Oldest()
	if !known || x.ExpiresInMS < 0 {
		return "-"
	}
	return oldest.String()
}

// heartbeat says how long a worker's last one is good for.
func heartbeat(x admin.Worker) string {
	left := (time.Duration(x.ExpiresInMS) * time.Millisecond).Round(100 * time.Millisecond)
	switch {
	case x.State == admin.StateDead:
		return "-"
	case left < 0:
		return "overdue by " + (-left).String()
	default:
		return "good for " + left.String()
	}
}

// tabulate aligns what write writes, with tabs between columns.
func tabulate(write func(io.Writer)) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	write(w)
	_ = w.Flush() // into memory
	return strings.TrimRight(text.String(), "\n")
}
