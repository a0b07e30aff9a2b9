package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/pkg/config"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/keyring"
	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/telemetry"
)

const usage = `Usage: worker <command> [flags]

  run                    run a worker with some roles, or all: a whole homeserver in one process
  migrate                bring the database to this build's schema, and claim it for a homeserver
  generate-signing-key   print a new signing key, a line for the key file
  keys list              list the signing keys that were announced, and who signs with them
  keys retire <key id>   make a signing key an old one, with which nobody signs any more
  version                print the version

worker <command> --help lists the flags.
`

// Process is what a command gets of its process.
type Process struct {
	Args, Environ  []string
	Stdout, Stderr io.Writer
	// Again starts the process again in its own place; it returns only if it fails. Nil: the process ends instead.
	Again func() error
}

// leastLife is how long a worker has to have lived to be started again by itself after it was declared dead. One that dies
// sooner ends, so that whoever supervises it notices and backs off.
const leastLife = 10 * time.Second

// Main runs a command and returns the exit code: 0, 1 after a failure that was told, 2 for a command line that makes no
// sense.
func Main(ctx context.Context, p Process) int {
	command, args := "", p.Args
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	err := fmt.Errorf("there is no command %q", command)
	switch command {
	case "run":
		err = p.run(ctx, args)
	case "migrate":
		err = p.migrate(ctx, args)
	case "generate-signing-key":
		err = p.generateSigningKey()
	case "keys":
		err = p.manageKeys(ctx, args)
	case "version":
		fmt.Fprintln(p.Stdout, telemetry.Version)
		err = nil
	case "help", "--help", "-h":
		fmt.Fprint(p.Stdout, usage)
		err = nil
	default:
		err = &badUsage{err}
	}
	var bad *badUsage
	switch {
	case err == nil, errors.Is(err, config.ErrHelp):
		return 0
	case errors.As(err, &bad):
		fmt.Fprintf(p.Stderr, "worker: %v\n", err)
		if command == "" || !strings.Contains("run migrate generate-signing-key keys", command) {
			fmt.Fprint(p.Stderr, usage)
		}
		return 2
	default:
		fmt.Fprintf(p.Stderr, "worker: %v\n", err)
		return 1
	}
}

// badUsage is a command line or an environment that makes no sense.
type badUsage struct{ error }

func (b *badUsage) Unwrap() error { return b.error }

func (p Process) run(ctx context.Context, args []string) error {
	cfg, err := config.Run(args, p.Environ, Roles, p.Stdout)
	if err != nil {
		return &badUsage{err}
	}
	log := telemetry.NewLogger(p.Stderr, cfg.LogFormat, cfg.LogLevel)
	slog.SetDefault(log) // for what logs on behalf of a request
	began := time.Now()
	err = Run(ctx, cfg, log)
	again := errors.Is(err, lease.ErrDeclaredDead) || errors.Is(err, errLetGo)
	if again && ctx.Err() == nil && p.Again != nil && time.Since(began) >= leastLife {
		log.Warn("starting again, as a new worker", "error", err)
		return p.Again()
	}
	return err
}

func (p Process) migrate(ctx context.Context, args []string) error {
	cfg, err := config.Migrate(args, p.Environ, p.Stdout)
	if err != nil {
		return &badUsage{err}
	}
	return Migrate(ctx, cfg, telemetry.NewLogger(p.Stderr, cfg.LogFormat, cfg.LogLevel), p.Stdout)
}

func (p Process) generateSigningKey() error {
	key, err := keyring.Generate(id.ServerName("localhost")) // the file names no server
	if err != nil {
		return err
	}
	_, err = p.Stdout.Write(key.FileFormat())
	return err
}
