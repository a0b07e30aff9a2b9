// Command kubectl-myelin is the kubectl plugin: kubectl myelin status, top, failover, drain and more. See package plugin.
package main

import (
	"context"
	"os"

	"github.com/myelin-hs/myelin/cmd/kubectl-myelin/plugin"
	"github.com/myelin-hs/myelin/pkg/service"
)

func main() {
	ctx, release := service.Signals(context.Background())
	code := plugin.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	release()
	os.Exit(code)
}
