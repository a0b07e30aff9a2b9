package horizon

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// The session of an announcer may outlive a failover, on a former primary that still runs.
func TestAFormerPrimaryIsNotAnnounced(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	a := NewAnnouncer(AnnouncerConfig{
		Source: postgres.At(uri), Pool: openPool(t, uri), Bus: bus.Local(), WorkerID: 1, Generation: func() int64 { return 2 },
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // or it announces for ever
	defer cancel()
	require.ErrorIs(t, a.announce(ctx), errFormer)
}
