// Command operator turns Homeservers and WorkerPools into running pods. See package controllers/operator.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/myelin-hs/myelin/controllers/operator"
	"github.com/myelin-hs/myelin/pkg/service"
)

func main() {
	ctx, release := service.Signals(context.Background())
	defer release()
	if err := operator.Main(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
