package telemetry_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/telemetry"
)

func TestLoggerFormatsAndLevels(t *testing.T) {
	t.Parallel()
	var text, json strings.Builder
	telemetry.NewLogger(&text, "text", slog.LevelWarn).Info("hidden")
	telemetry.NewLogger(&text, "text", slog.LevelWarn).Warn("shown", "shard", 7)
	telemetry.NewLogger(&json, "json", slog.LevelInfo).Info("shown", "shard", 7)
	require.Contains(t, text.String(), "shard=7")
	require.NotContains(t, text.String(), "hidden")
	require.Contains(t, json.String(), `"shard":7`)
}

func TestHandlerShowsTheRuntime(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	telemetry.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Contains(t, w.Body.String(), "go_goroutines")
	require.Contains(t, w.Body.String(), "process_resident_memory_bytes")
}
