package plugin

import (
	"errors"

	"github.com/myelin-hs/myelin/pkg/admin"
)

// The exit codes.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitUnreachable
	exitRefused
)

// A coded error knows its exit code.
type coded struct {
	error
	code int
}

func (c coded) Unwrap() error { return c.error }

func usageError(err error) error       { return coded{err, exitUsage} }
func unreachableError(err error) error { return coded{err, exitUnreachable} }
func refusedError(err error) error     { return coded{err, exitRefused} }

func exitCode(err error) int {
	var c coded
	var refusal *admin.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &c):
		return c.code
	case errors.As(err, &refusal) && refusal.HTTPStatus/100 == 4:
		return exitRefused
	default:
		return exitFailed
	}
}
