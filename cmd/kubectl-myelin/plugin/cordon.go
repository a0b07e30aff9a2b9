package plugin

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/myelin-hs/myelin/pkg/admin"
)

func cordonCommand(s *session) *cobra.Command {
	return s.cordoning(true, &cobra.Command{
		Use:   "cordon WORKER",
		Short: "Have a worker keep its shards and get no others",
		Long: "Have a worker keep its shards and get no others, until uncordon, or until its process ends: the pod's next worker is not cordoned.\n" +
			"Shards whose owner dies come to it only where no other event persister is left.",
		Example: "  kubectl myelin cordon demo-persister-6d5f-x2x9z",
	})
}

func uncordonCommand(s *session) *cobra.Command {
	return s.cordoning(false, &cobra.Command{
		Use:     "uncordon WORKER",
		Short:   "Have a worker get shards again",
		Example: "  kubectl myelin uncordon demo-persister-6d5f-x2x9z",
	})
}

func (s *session) cordoning(cordoned bool, cmd *cobra.Command) *cobra.Command {
	cmd.Args = exactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return s.with(cmd.Context(), func(client api, status admin.Status) error {
			w, err := findWorker(args[0], status)
			if err != nil {
				return err
			}
			if err := client.Cordon(cmd.Context(), w.ID, cordoned); err != nil {
				return err
			}
			w.Cordoned = cordoned
			text := fmt.Sprintf("worker %d (%s) is cordoned: it keeps %d shards and gets no others", w.ID, w.Pod, w.Shards)
			if !cordoned {
				text = fmt.Sprintf("worker %d (%s) is uncordoned: it gets its share of shards", w.ID, w.Pod)
			}
			return s.print(w, text)
		})
	}
	return cmd
}
