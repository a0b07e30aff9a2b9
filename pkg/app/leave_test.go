package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestADrainedWorkerThatNobodyStopsEndsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.ErrorIs(t, waitDrained(t.Context()), errLetGo)
		require.Equal(t, stayDrained, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), stayDrained-time.Second)
		defer cancel()
		require.NoError(t, waitDrained(ctx), "its pod is deleted")
	})
}
