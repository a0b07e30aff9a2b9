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

// A name in DNS that has come to mean another Myelin's server must not make this worker its announcer.
func TestAnotherDatabaseIsNotAnnounced(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	a := NewAnnouncer(AnnouncerConfig{
		Source: postgres.At(uri), DatabaseID: "00000000-0000-0000-0000-000000000000", Pool: openPool(t, uri), Bus: bus.Local(), WorkerID: 1,
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // or it announces for ever
	defer cancel()
	require.ErrorIs(t, a.announce(ctx), postgres.ErrOtherDatabase)
	var leaders int
	require.NoError(t, connect(t, uri).QueryRow(t.Context(), "SELECT count(*) FROM leader").Scan(&leaders))
	require.Zero(t, leaders)
}
