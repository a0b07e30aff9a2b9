// Package telemetry is what a process tells about itself: structured logs and Prometheus metrics.
package telemetry

import (
	"io"
	"log/slog"
)

// NewLogger writes records of at least the given level to w, as logfmt-like text or, if format is "json", as JSON.
func NewLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
