// Command worker is Myelin's data plane: a process with some of the roles of a homeserver, or all.
package main

import (
	"context"
	"os"
	"syscall"

	"github.com/myelin-hs/myelin/pkg/app"
	"github.com/myelin-hs/myelin/pkg/service"
)

func main() {
	ctx, release := service.Signals(context.Background())
	defer release()
	os.Exit(app.Main(ctx, app.Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr, Again: again,
	}))
}

// again puts a fresh process in the place of this one: a worker is one incarnation, with a new id.
func again() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(path, os.Args, os.Environ())
}
