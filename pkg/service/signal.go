package service

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Signals returns a context that the first SIGTERM or SIGINT cancels. The second one ends the process at once, so that
// an impatient person at a terminal is obeyed. Call release when done.
func Signals(parent context.Context) (ctx context.Context, release func()) {
	ctx, cancel := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel) // back to the default action
	return ctx, cancel
}
