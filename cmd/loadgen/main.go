// Command loadgen loads a Matrix homeserver, of whatever make, through its client-server API, and says how it fared.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/myelin-hs/myelin/cmd/loadgen/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal lets it end in order, the second at once
	os.Exit(command.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
