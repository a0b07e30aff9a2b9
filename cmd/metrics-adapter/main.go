// Command metrics-adapter tells autoscalers the lag of pools: by the external metrics API of Kubernetes and as a scaler of
// KEDA. See package adapter. It is a module of its own, because what an aggregated API server needs is more than all that the
// other binaries link.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/myelin-hs/myelin/cmd/metrics-adapter/adapter"
	"github.com/myelin-hs/myelin/pkg/service"
)

func main() {
	ctx, release := service.Signals(context.Background())
	defer release()
	if err := adapter.Main(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
