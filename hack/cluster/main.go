// Command cluster makes and removes a real Kubernetes cluster for the demo, the
// end-to-end tour and envtest, on a bare Debian machine without Docker and
// without an image registry. Where Docker's engine works it uses kind instead,
// and on request the cluster of the current kubeconfig context (see flavour.go).
//
// All that it makes lives below one state directory, in one cgroup, behind one
// bridge and under names that say whose they are, so that down finds it again
// after Ctrl-C, a failed start or a restart of the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `usage: go run . [--state DIR] [--namespace NAME] <command> [arguments]

  packages NAME...            install Debian packages, starting none of their services
  assets                      build what envtest needs; the last line is the folder for KUBEBUILDER_ASSETS
  preflight [--json]          say what is missing for up, and what to do
  up                          start the cluster, a Postgres and a Redis, or complete what runs; --nodes gives it more nodes,
                              --autoscaling a metrics-server and an HPA controller that looks often
  down                        remove all of it
  image NAME:TAG BINARY...    pack static binaries as an image and load it into the cluster
  env                         print KUBECONFIG and kin as shell assignments
  status                      print what runs
  kill --pod-uid UID --container NAME
                              SIGKILL that container's process; prints pid and time as JSON
  kill-node NAME              SIGKILL a node's kubelet, containerd and pods, as a power cut would; up starts it again
  stop DAEMON, start DAEMON   stop and start postgres or redis

The environment's CLUSTER chooses bare, kind or current (with CONFIRM=<context>);
unset, it is kind where Docker's engine answers and bare elsewhere.

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case ctx.Err() != nil && err != nil:
		fmt.Fprintln(os.Stderr, "cluster: interrupted; `down` removes what was made so far")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// Settings are what the command line says to every command.
type Settings struct {
	State     string // absolute path of the state directory
	Namespace string // where Postgres and Redis appear
	Nodes     int    // that the cluster should have, at least
	// Autoscaling asks for what pools that scale by themselves need.
	Autoscaling bool
	Out         io.Writer
}

func run(ctx context.Context, args []string, out io.Writer) error {
	set := Settings{Out: out}
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.StringVar(&set.State, "state", "/var/lib/myelin-cluster", "`folder` for everything the cluster keeps")
	flags.StringVar(&set.Namespace, "namespace", "myelin", "namespace in which Postgres and Redis appear")
	flags.IntVar(&set.Nodes, "nodes", 1, "`number` of nodes that a bare cluster should have, at least")
	flags.BoolVar(&set.Autoscaling, "autoscaling", false, "give a bare cluster a metrics-server, and an HPA controller that looks every "+hpaPeriod)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		flags.Usage()
		return flag.ErrHelp
	}
	if !strings.HasPrefix(set.State, "/") || strings.Count(strings.TrimRight(set.State, "/"), "/") < 2 {
		return fmt.Errorf("--state %q: give an absolute path at least two folders deep; down removes the whole of it", set.State)
	}
	set.State = strings.TrimRight(set.State, "/")
	if set.Nodes < 1 || set.Nodes > mostNodes {
		return fmt.Errorf("--nodes %d: it may be 1 to %d", set.Nodes, mostNodes)
	}
	command, rest := rest[0], rest[1:]
	switch command {
	case "packages":
		return packages(ctx, set, rest)
	case "assets":
		return assets(ctx, set)
	case "preflight":
		return preflightCommand(ctx, set, rest)
	case "up":
		return up(ctx, set)
	case "down":
		return down(ctx, set)
	case "image":
		return imageCommand(ctx, set, rest)
	case "env":
		return env(set)
	case "status":
		return status(ctx, set)
	case "kill":
		return killCommand(ctx, set, rest)
	case "kill-node":
		return killNode(set, rest)
	case "stop", "start":
		return database(ctx, set, command, rest)
	}
	flags.Usage()
	return fmt.Errorf("no command %q", command)
}

// parse lets the flags stand before or after the command's name; the flags of
// kill and preflight are left for them.
func parse(flags *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for i := 0; i < len(args); i++ {
		name, _, joined := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !strings.HasPrefix(args[i], "-") || (flags.Lookup(name) == nil && name != "h" && name != "help") {
			rest = append(rest, args[i])
			continue
		}
		one := args[i : i+1]
		if !joined && i+1 < len(args) && !isSwitch(flags.Lookup(name)) {
			i++
			one = append(one[:1:1], args[i])
		}
		if err := flags.Parse(one); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// isSwitch says whether the flag stands alone; nil is help's.
func isSwitch(f *flag.Flag) bool {
	if f == nil {
		return true
	}
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}
