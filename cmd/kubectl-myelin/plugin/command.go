package plugin

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/telemetry"
)

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, args []string, out, errs io.Writer) int {
	return run(ctx, args, out, errs, connect, open)
}

// A connector reaches a homeserver's admin API. The returned function ends the connection.
type connector func(ctx context.Context, where target) (api, func(), error)

// api is what the commands need of admin.Client.
type api interface {
	Status(ctx context.Context) (admin.Status, error)
	Move(ctx context.Context, shard int, to int64) (admin.MoveResult, error)
	Drain(ctx context.Context, worker int64) error
	Cordon(ctx context.Context, worker int64, cordoned bool) error
	Rebalance(ctx context.Context) (admin.Rebalance, error)
}

// session is what all commands share.
type session struct {
	target
	output  string
	out     io.Writer
	connect connector
	open    opener
}

func run(ctx context.Context, args []string, out, errs io.Writer, c connector, o opener) int {
	s := &session{out: out, connect: c, open: o}
	root := s.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(errs, "error: %v\n", err)
	}
	return exitCode(err)
}

// Parse says whether a command line makes sense, and does nothing else.
func Parse(args []string) error {
	root := (&session{out: io.Discard}).root()
	for _, cmd := range root.Commands() {
		cmd.RunE = func(*cobra.Command, []string) error { return nil }
	}
	root.SetArgs(args)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	return root.Execute()
}

// root is the command with all its subcommands.
func (s *session) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-myelin",
		Short: "Look at and steer a Myelin homeserver",
		Long: "Look at and steer a Myelin homeserver, by asking one of its workers.\n\nExit codes: 0 done; 1 failed; 2 the command line makes no " +
			"sense; 3 no worker could be reached; 4 the workers refused.",
		Version:       telemetry.Version,
		SilenceErrors: true, SilenceUsage: true,
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl myelin"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(fmt.Errorf("there is no command %q: see %s --help", args[0], cmd.DisplayName()))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if s.output != "" && !slices.Contains(outputs, s.output) {
				return usageError(fmt.Errorf("-o %s: the formats are %s", s.output, strings.Join(outputs, ", ")))
			}
			return nil
		},
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&s.namespace, "namespace", "n", "", "namespace of the Homeserver (default the context's)")
	flags.StringVar(&s.kubeconfig, "kubeconfig", "", "kubeconfig file (default $KUBECONFIG, then ~/.kube/config)")
	flags.StringVar(&s.context, "context", "", "context in the kubeconfig")
	flags.StringVar(&s.homeserver, "homeserver", "", "name of the Homeserver (default the only one in the namespace)")
	flags.StringVarP(&s.output, "output", "o", "", strings.Join(outputs, ", ")+", or empty for a table")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddCommand(statusCommand(s), shardsCommand(s), workersCommand(s), topCommand(s), failoverCommand(s), drainCommand(s),
		cordonCommand(s), uncordonCommand(s), rebalanceCommand(s), logsCommand(s), reportCommand(s))
	s.complete(root)
	return root
}

// with connects, and runs f with what the workers say now.
func (s *session) with(ctx context.Context, f func(api, admin.Status) error) error {
	client, closeConnection, err := s.connect(ctx, s.target)
	if err != nil {
		return err
	}
	defer closeConnection()
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	return f(client, status)
}

// exactArgs is cobra's, with our exit code.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usageError(err)
		}
		return nil
	}
}
