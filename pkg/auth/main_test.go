package auth

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// newAuth returns an Auth on a database of its own, and counts pokes.
func newAuth(t *testing.T, policy Registration) (*Auth, *pgxpool.Pool, *int) {
	t.Helper()
	require.NoError(t, policy.Check())
	pool, err := postgres.Open(t.Context(), pgtest.New(t), postgres.Options{ApplicationName: "auth test"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	pokes := new(int)
	return New(Options{
		DB: pool, ServerName: pgtest.ServerName, Keys: func() [][]byte { return [][]byte{[]byte("internal")} }, Registration: policy,
		Poke: func() { *pokes++ },
	}), pool, pokes
}

func count(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, pool.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

// register makes an account with the password "correct horse" and a session.
func register(t *testing.T, a *Auth, name string) Session {
	t.Helper()
	s, err := a.create(t.Context(), newAccount{
		user: id.UserID("@" + name + ":" + pgtest.ServerName), password: "correct horse", device: NewDevice{DisplayName: "first"},
	})
	require.NoError(t, err)
	return s
}
