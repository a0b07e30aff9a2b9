package postgres_test

import (
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// login is what a mounted Secret says, which changes under the source.
type login struct{ atomic.Pointer[postgres.Login] }

func (l *login) is(user, password string, uri string) {
	l.Store(&postgres.Login{URI: uri, User: user, Password: password})
}

func (l *login) read() (postgres.Login, error) { return *l.Load(), nil }

func TestAnotherLoginIsTakenUpWithoutARestart(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	admin, err := postgres.Connect(t.Context(), uri, "admin")
	require.NoError(t, err)
	defer admin.Close(t.Context())
	var id string
	require.NoError(t, admin.QueryRow(t.Context(), "SELECT database_id FROM cluster_state").Scan(&id))
	name := func(n int) string { return fmt.Sprintf("user_%d_%s", n, id[:8]) }
	for n := range 2 {
		_, err = admin.Exec(t.Context(), fmt.Sprintf(`CREATE ROLE "%s" LOGIN PASSWORD 'p'; GRANT SELECT ON cluster_state TO "%s"`, name(n), name(n)))
		require.NoError(t, err)
		t.Cleanup(func() {
			conn, err := postgres.Connect(t.Context(), uri, "admin")
			if err == nil {
				_, _ = conn.Exec(t.Context(), fmt.Sprintf(`DROP OWNED BY "%s"; DROP ROLE "%s"`, name(n), name(n)))
				_ = conn.Close(t.Context())
			}
		})
	}
	opts := postgres.Options{DatabaseID: id, MaxConns: 1}
	var secret login
	source := postgres.NewSource(secret.read)
	secret.is(name(0), "p", uri)
	session, err := source.Session(t.Context(), opts)
	require.NoError(t, err)
	require.NoError(t, session.Close(t.Context()))
	p, err := source.Open(t.Context(), opts)
	require.NoError(t, err)
	defer p.Close()
	is := func(n int) {
		t.Helper()
		var who string
		p.Reset() // so that the query makes a connection
		require.NoError(t, p.QueryRow(t.Context(), "SELECT current_user").Scan(&who))
		require.Equal(t, name(n), who)
		s, err := source.Session(t.Context(), opts)
		require.NoError(t, err)
		require.NoError(t, s.QueryRow(t.Context(), "SELECT current_user").Scan(&who))
		require.Equal(t, name(n), who)
		require.NoError(t, s.Close(t.Context()))
	}
	is(0)
	secret.is(name(1), "p", uri)
	is(1)
	secret.is("nobody "+name(0), "p", uri)
	is(1) // a mistake does no harm
	other := pgtest.New(t)
	secret.is(name(0), "p", other)
	is(1) // nor does another database
	away, err := url.Parse(uri)
	require.NoError(t, err)
	away.Host, away.RawQuery = "127.0.0.2:1", ""
	secret.is(name(0), "p", away.String())
	is(1) // nor one that does not answer
	secret.is(name(0), "p", uri)
	is(0)
}
