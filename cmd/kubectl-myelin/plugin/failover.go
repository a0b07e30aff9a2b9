package plugin

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/myelin-hs/myelin/pkg/admin"
)

func failoverCommand(s *session) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:     "failover SHARD",
		Short:   "Move a shard to another worker",
		Long:    "Move a shard to another worker, by a planned handoff that fails no request. It returns once the shard has moved.",
		Example: "  kubectl myelin failover 7\n  kubectl myelin failover eps/demo-07\n  kubectl myelin failover demo-07 --to demo-persister-6d5f-x2x9z",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			homeserver, id, err := parseShard(args[0])
			if err != nil {
				return err
			}
			if homeserver != "" {
				if s.homeserver != "" && s.homeserver != homeserver {
					return usageError(fmt.Errorf("%s is a shard of the Homeserver %s, not of %s", args[0], homeserver, s.homeserver))
				}
				s.homeserver = homeserver
			}
			return s.with(cmd.Context(), func(client api, status admin.Status) error {
				shard, err := findShard(id, status)
				if err != nil {
					return err
				}
				var worker int64
				if to != "" {
					w, err := findWorker(to, status)
					if err != nil {
						return err
					}
					worker = w.ID
				}
				moved, err := client.Move(cmd.Context(), shard.ID, worker)
				if err != nil {
					return err
				}
				return s.print(moved, fmt.Sprintf("shard %d moved from worker %d to worker %d, epoch %d", shard.ID, moved.From, moved.To, moved.Epoch))
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "worker to move it to: a pod's name or a worker's number (default any other)")
	return cmd
}
