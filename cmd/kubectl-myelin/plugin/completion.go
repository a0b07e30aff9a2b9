package plugin

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/myelin-hs/myelin/pkg/admin"
)

// A shell that completes waits this long for the workers.
const completeTimeout = 3 * time.Second

// complete teaches the commands below root to complete what only the workers know: shards and pods. kubectl itself asks
// through the script kubectl_complete-myelin, which is next to this plugin on the PATH.
func (s *session) complete(root *cobra.Command) {
	shards := s.completion(func(status admin.Status) (all []string) {
		for _, x := range status.Shards {
			all = append(all, fmt.Sprintf("%d\t%s", x.ID, x.OwnerPod))
		}
		return all
	})
	pods := s.completion(func(status admin.Status) (all []string) {
		for _, x := range status.Workers {
			if x.State != admin.StateDead {
				all = append(all, fmt.Sprintf("%s\t%s, owns %d shards", x.Pod, x.State, x.Shards))
			}
		}
		return all
	})
	for _, cmd := range root.Commands() {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
		switch cmd.Name() {
		case "failover":
			cmd.ValidArgsFunction = onlyFirst(shards)
			_ = cmd.RegisterFlagCompletionFunc("to", pods) // fails for an unknown flag only
		case "drain", "cordon", "uncordon", "logs":
			cmd.ValidArgsFunction = onlyFirst(pods)
		}
	}
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
}

// onlyFirst completes the first argument; the commands have no second.
func onlyFirst(f cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(cmd, args, typed)
	}
}

func (s *session) completion(of func(admin.Status) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) (found []string, _ cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
		defer cancel()
		err := s.with(ctx, func(_ api, status admin.Status) error {
			found = of(status)
			return nil
		})
		if err != nil {
			cobra.CompDebugln(err.Error(), false)
			return nil, cobra.ShellCompDirectiveError
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}
