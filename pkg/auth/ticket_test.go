package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// What one worker issues comes back to another, whose own clock may differ.
func TestTicketsLastByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	a, pool, _ := newAuth(t, Registration{SharedSecret: "s3cret"})
	began := time.Now().Add(-5 * time.Hour)
	pgtest.OwnClock(t, pool.Config().ConnString(), began)
	pool.Reset()
	nonce, err := a.Nonce(t.Context())
	require.NoError(t, err)
	register := func(name string) error {
		_, err := a.RegisterShared(t.Context(), RegisterShared{
			Nonce: nonce, Username: name, Password: "pw", MAC: mac("s3cret", nonce, name, "pw", "notadmin"),
		})
		return err
	}
	require.NoError(t, register("alice"), "five hours ago by this worker's clock")
	require.NoError(t, pgtest.SetClock(t.Context(), pool, began.Add(nonceTTL-time.Second)))
	require.NoError(t, register("bob"))
	require.NoError(t, pgtest.SetClock(t.Context(), pool, began.Add(nonceTTL+time.Second)))
	require.True(t, mxerr.Is(register("carol"), mxerr.CodeUnknown))
}
