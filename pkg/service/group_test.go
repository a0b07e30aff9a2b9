package service_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/service"
)

type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(s string) { j.mu.Lock(); j.lines = append(j.lines, s); j.mu.Unlock() }

func (j *journal) runner(name string) service.Runner {
	return func(ctx context.Context) error {
		<-ctx.Done()
		j.add(name)
		return nil
	}
}

func TestGroupStopsInReverseOrderAfterTheHooks(t *testing.T) {
	t.Parallel()
	var j journal
	var g service.Group
	g.Add("pool", j.runner("pool"))
	g.Add("lease", j.runner("lease"), "pool")
	g.Add("gateway", j.runner("gateway"), "lease")
	g.BeforeStop(func(context.Context) { j.add("drain") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, g.Run(ctx))
	require.Equal(t, []string{"drain", "gateway", "lease", "pool"}, j.lines)
}

func TestGroupStopsAllWhenOneFails(t *testing.T) {
	t.Parallel()
	var j journal
	var g service.Group
	boom := errors.New("boom")
	g.Add("pool", j.runner("pool"))
	g.Add("lease", func(context.Context) error { return boom }, "pool")
	err := g.Run(t.Context())
	require.ErrorIs(t, err, boom)
	require.ErrorContains(t, err, "lease")
	require.Equal(t, []string{"pool"}, j.lines)
}

func TestGroupTakesAnEarlyReturnForAFailure(t *testing.T) {
	t.Parallel()
	var g service.Group
	g.Add("announcer", func(context.Context) error { return nil })
	require.ErrorContains(t, g.Run(t.Context()), "announcer")
}

func TestGroupReportsAPartThatDoesNotStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := service.Group{StopTimeout: time.Second}
		release := make(chan struct{})
		g.Add("stuck", func(context.Context) error { <-release; return nil })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorContains(t, g.Run(ctx), "stuck")
		close(release)
	})
}

func TestAddRefusesWhatCannotBeOrdered(t *testing.T) {
	t.Parallel()
	var g service.Group
	g.Add("a", nil)
	require.Panics(t, func() { g.Add("a", nil) })
	require.Panics(t, func() { g.Add("b", nil, "c") })
}
