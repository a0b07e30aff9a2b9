package persister

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// Each round that finds nothing costs Postgres a look at its locks, and wakes whoever follows P.
func TestTheAnnouncerIsPokedOnceForABlock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		poke       func() bool
		pokesByBus int
	}{
		"no announcer runs here": {nil, 1},
		"another one leads":      {func() bool { return false }, 1},
		"it leads":               {func() bool { return true }, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			to := newRecorder()
			h := newHerald(to, c.poke, slog.New(slog.DiscardHandler), newMeter(prometheus.NewRegistry(), func() float64 { return 0 }))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- h.run(ctx) }()
			h.publish(newBlock())
			synctest.Wait()
			require.Len(t, to.pokes, c.pokesByBus, name)
			cancel()
			require.NoError(t, <-done)
		})
	}
}
