package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/route"
)

func TestAWorkerThatIsCutOffFromTheDatabaseAsksOthers(t *testing.T) {
	t.Parallel()
	me, other := route.Worker{ID: 1}, route.Worker{ID: 2}
	require.Equal(t, []route.Worker{me, other}, reaching([]route.Worker{me, other}, 1, time.Second))
	require.Equal(t, []route.Worker{other}, reaching([]route.Worker{me, other}, 1, 3*time.Second))
	require.Equal(t, []route.Worker{me}, reaching([]route.Worker{me}, 1, time.Hour), "there is nobody else")
	require.Equal(t, []route.Worker{other}, reaching([]route.Worker{other}, 1, time.Hour))
}
