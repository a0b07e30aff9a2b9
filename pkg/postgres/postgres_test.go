package postgres_test

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func databaseID(t *testing.T, uri string) string {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), uri, "test")
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var id string
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT database_id::text FROM cluster_state").Scan(&id))
	return id
}

// newServer starts a server that may be stopped. Postgres runs as another user, whom t.TempDir keeps out.
func newServer(t *testing.T) (*pgtest.Server, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "myelin-postgres-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, err := pgtest.Start(t.Context(), dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	return server, dir
}

func TestOnlyTheDatabaseThatIsExpectedIsConnectedTo(t *testing.T) {
	t.Parallel()
	mine, others, empty := pgtest.New(t), pgtest.New(t), pgtest.NewEmpty(t)
	// The template's copies share its id.
	conn, err := postgres.Connect(t.Context(), others, "test")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "UPDATE cluster_state SET database_id = gen_random_uuid()")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))

	opts := postgres.Options{DatabaseID: databaseID(t, mine)}
	for uri, want := range map[string]error{mine: nil, others: postgres.ErrOtherDatabase, empty: postgres.ErrOtherDatabase} {
		pool, err := postgres.Open(t.Context(), uri, opts)
		require.NoError(t, err)
		_, err = pool.Exec(t.Context(), "SELECT 1")
		require.ErrorIs(t, err, want)
		pool.Close()
		conn, err := postgres.Session(t.Context(), uri, opts)
		require.ErrorIs(t, err, want)
		if err == nil {
			require.NoError(t, conn.Close(t.Context()))
		}
	}
}

func TestOfSeveralHostsThePrimaryIsFound(t *testing.T) {
	t.Parallel()
	standby, dir := newServer(t)
	require.NoError(t, standby.Stop())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "standby.signal"), nil, 0o644))
	require.NoError(t, standby.Restart(t.Context()))

	primary := pgtest.NewEmpty(t)
	first, err := url.Parse(standby.URI("postgres"))
	require.NoError(t, err)
	both, err := url.Parse(primary)
	require.NoError(t, err)
	want := both.Port()
	both.Host = first.Host + "," + both.Host
	both.Path = "/postgres"

	conn, err := postgres.Connect(t.Context(), both.String(), "test")
	require.NoError(t, err)
	var port string
	require.NoError(t, conn.QueryRow(t.Context(), "SHOW port").Scan(&port))
	require.NoError(t, conn.Close(t.Context()))
	require.Equal(t, want, port)

	_, err = postgres.Connect(t.Context(), standby.URI("postgres"), "test")
	require.ErrorContains(t, err, "standby")
	// Who asks for something else gets it.
	conn, err = postgres.Connect(t.Context(), standby.URI("postgres")+"&target_session_attrs=standby", "test")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	conn, err = postgres.Connect(t.Context(), both.String()+"&target_session_attrs=read-write", "test")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

func TestAServerThatLetsNobodyWriteLosesItsConnections(t *testing.T) {
	t.Parallel()
	pool, err := postgres.Open(t.Context(), pgtest.NewEmpty(t), postgres.Options{MaxConns: 1})
	require.NoError(t, err)
	defer pool.Close()
	session := func() (pid int) {
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
		return pid
	}
	_, err = pool.Exec(t.Context(), "SET default_transaction_read_only = on") // of the one session that the pool has
	require.NoError(t, err)
	demoted := session()
	_, err = pool.Exec(t.Context(), "CREATE TABLE t ()")
	require.Equal(t, "25006", postgres.Code(err))
	require.NotEqual(t, demoted, session())
	_, err = pool.Exec(t.Context(), "CREATE TABLE t ()")
	require.NoError(t, err, "the next connection leads to one that lets")
	_, err = pool.Exec(t.Context(), "CREATE TABLE t ()")
	require.Equal(t, "42P07", postgres.Code(err))
	kept := session()
	_, err = pool.Exec(t.Context(), "syntax error")
	require.Error(t, err)
	require.Equal(t, kept, session(), "other errors cost no connection")
}

func TestAPoolIsWholeAgainAfterARestartOfTheServer(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	pool, err := postgres.Open(t.Context(), server.URI("postgres"), postgres.Options{MaxConns: 3})
	require.NoError(t, err)
	defer pool.Close()
	var held []interface{ Release() }
	for range 3 {
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		held = append(held, conn)
	}
	for _, conn := range held {
		conn.Release()
	}
	require.NoError(t, server.Crash())
	_, err = pool.Exec(t.Context(), "SELECT 1")
	require.Error(t, err)
	require.NoError(t, server.Restart(t.Context()))
	failures := 0
	for range 8 {
		if _, err := pool.Exec(t.Context(), "SELECT 1"); err != nil {
			failures++
		}
	}
	require.LessOrEqual(t, failures, 2, "one for each connection that broke, and is not known to be broken yet")
}

func TestThroughAPoolerNothingIsAskedOfASession(t *testing.T) {
	t.Parallel()
	pool, err := postgres.Open(t.Context(), pgtest.NewEmpty(t), postgres.Options{ApplicationName: "reads", Pooled: true})
	require.NoError(t, err)
	defer pool.Close()
	require.Equal(t, map[string]string{"application_name": "reads"}, pool.Config().ConnConfig.RuntimeParams)
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	for range 3 {
		_, err = conn.Exec(t.Context(), "SELECT $1::int", 1)
		require.NoError(t, err)
	}
	var prepared int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_prepared_statements", pgx.QueryExecModeExec).Scan(&prepared))
	require.Zero(t, prepared)
}

func TestAnErrorAboutTheURIDoesNotShowIt(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{"postgres://user:sesame@host:x/db", "host=a password=sesame port=x"} {
		_, err := postgres.Connect(t.Context(), uri, "test")
		require.ErrorContains(t, err, "Postgres URI")
		require.NotContains(t, err.Error(), "sesame")
	}
}
