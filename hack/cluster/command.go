package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// do runs another program; what it printed becomes part of the error.
func do(ctx context.Context, name string, args ...string) error {
	_, err := output(ctx, name, args...)
	return err
}

// output is do that returns what the program printed on its standard output.
func output(ctx context.Context, name string, args ...string) (string, error) {
	return finish(exec.CommandContext(ctx, name, args...))
}

// finish runs a prepared command. The error names the program and its
// complaint but not its arguments, which may hold a password.
func finish(cmd *exec.Cmd) (string, error) {
	var out, complaint strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(complaint.String())
		if said == "" {
			said = strings.TrimSpace(out.String())
		}
		return out.String(), fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, said)
	}
	return out.String(), nil
}
