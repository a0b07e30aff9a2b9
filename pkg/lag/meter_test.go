package lag_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/lag"
)

func TestAMeterTellsHowLongTheOldestHasWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m lag.Meter
		require.Zero(t, m.Oldest(), "nothing waits")
		first := m.Begin()
		time.Sleep(2 * time.Second) // of the bubble's clock
		second := m.Begin()
		time.Sleep(time.Second)
		third := m.Begin()
		require.Equal(t, 3*time.Second, m.Oldest())
		second()
		require.Equal(t, 3*time.Second, m.Oldest(), "what ends is not always the oldest")
		first()
		first()
		require.Zero(t, m.Oldest(), "the third began just now")
		time.Sleep(time.Second)
		require.Equal(t, time.Second, m.Oldest())
		third()
		require.Zero(t, m.Oldest())
	})
}
