package pgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A Clock is what a server takes the time from instead of the machine. Only the time of day is another; what measures
// durations is not.
type Clock struct{ library, file string }

// NewClock makes a clock that shows the machine's time, with a file below dir. It needs Debian's package libfaketime.
func NewClock(dir string) (*Clock, error) {
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("install Debian's package libfaketime")
	}
	c := &Clock{library: found[0], file: filepath.Join(dir, "clock")}
	return c, c.Set(0)
}

// Set makes the clock show the machine's time plus offset, at once.
func (c *Clock) Set(offset time.Duration) error {
	// By a rename: a server reads it at any moment.
	next := c.file + ".next"
	if err := os.WriteFile(next, fmt.Appendf(nil, "%+.3f\n", offset.Seconds()), 0o644); err != nil {
		return err
	}
	return os.Rename(next, c.file)
}

func (c *Clock) env() []string {
	if c == nil {
		return nil
	}
	return []string{
		"LD_PRELOAD=" + c.library, "FAKETIME_TIMESTAMP_FILE=" + c.file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
	}
}
