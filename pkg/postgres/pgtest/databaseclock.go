package pgtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// clockSQL puts functions of the same names before Postgres's own. A time holds for the statements that begin after it
// was set.
const clockSQL = `
CREATE SCHEMA clock;
CREATE TABLE clock.shown (since timestamptz PRIMARY KEY DEFAULT pg_catalog.clock_timestamp(), at timestamptz NOT NULL);
CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT at FROM clock.shown ORDER BY since DESC LIMIT 1';
CREATE FUNCTION clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT at FROM clock.shown WHERE since <= pg_catalog.statement_timestamp() ORDER BY since DESC LIMIT 1';
`

// OwnClock gives the database at uri a clock of its own, which shows start, and moves when a test sets it ([SetClock]).
// The statements of sessions that are opened from then on ask it by clock_timestamp() and statement_timestamp(). The
// times of sessions and of the server itself (pg_stat_activity, pg_postmaster_start_time) and now() stay the server's.
func OwnClock(t testing.TB, uri string, start time.Time) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), uri)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	var database string
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT current_database()`).Scan(&database))
	_, err = conn.Exec(t.Context(), clockSQL)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `INSERT INTO clock.shown (since, at) VALUES ('-infinity', $1)`, start)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), fmt.Sprintf(`ALTER DATABASE %s SET search_path = public, clock, pg_catalog`, pgx.Identifier{database}.Sanitize()))
	require.NoError(t, err)
}

// An Execer is a connection or a pool of them.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// SetClock lets the clock of a database that has its own show this time.
func SetClock(ctx context.Context, db Execer, now time.Time) error {
	_, err := db.Exec(ctx, `INSERT INTO clock.shown (at) VALUES ($1) ON CONFLICT (since) DO UPDATE SET at = excluded.at`, now)
	return err
}
