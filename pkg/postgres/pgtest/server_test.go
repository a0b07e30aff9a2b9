package pgtest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// directory is one that the servers' user can pass through.
func directory(t *testing.T) string {
	dir, err := os.MkdirTemp("", "myelin-pgtest-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

func connect(t *testing.T, s *pgtest.Server) *pgx.Conn {
	conn, err := pgx.Connect(t.Context(), s.URI("postgres"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	_, err := conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func TestPromotedStandbyHasWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	primary, err := pgtest.Start(t.Context(), filepath.Join(dir, "primary"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = primary.Stop() })
	standby, err := primary.Standby(t.Context(), filepath.Join(dir, "standby"), primary.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = standby.Stop() })
	require.NoError(t, primary.Synchronous(t.Context(), true))
	conn := connect(t, primary)
	require.Eventually(t, func() bool {
		var state string
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT coalesce(max(sync_state), '') FROM pg_stat_replication").Scan(&state))
		return state == "sync"
	}, time.Minute, 10*time.Millisecond)
	exec(t, conn, "CREATE TABLE x (n integer)")
	exec(t, conn, "INSERT INTO x VALUES (1)")
	require.NoError(t, primary.Crash())
	require.NoError(t, standby.Promote(t.Context()))
	promoted := connect(t, standby)
	var n int
	require.NoError(t, promoted.QueryRow(t.Context(), "SELECT n FROM x").Scan(&n))
	exec(t, promoted, "INSERT INTO x VALUES (2)")
}

func TestClockStepsWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	clock, err := pgtest.NewClock(dir)
	if err != nil {
		if os.Getenv("CI") != "" {
			require.NoError(t, err)
		}
		t.Skip(err)
	}
	server, err := pgtest.StartUnder(t.Context(), clock, filepath.Join(dir, "server"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	conn := connect(t, server)
	for _, offset := range []time.Duration{time.Hour, -time.Hour, 0} {
		require.NoError(t, clock.Set(offset))
		var now time.Time
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now))
		require.WithinDuration(t, time.Now().Add(offset), now, 20*time.Minute)
	}
}
