package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/schema"
)

// worker inserts one of a protocol, whose heartbeat expires so many seconds from now.
const worker = `INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
	VALUES ('p', 'p:1', 'p', '{gateway}', $1, $2, clock_timestamp() + $3 * interval '1 second')`

func TestAJumpOverVersionsIsRefusedWhileWorkersLive(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		version, protocol, state, expires int
		want                              string // in the error; empty: it is upgraded
	}{
		"the version before":               {schema.Oldest, 2, 1, 3, ""},
		"this version":                     {schema.Version(), 2, 1, 3, ""},
		"an older schema":                  {schema.Oldest - 1, 2, 1, 3, "the database has schema version 4 and 1 workers"},
		"an older schema, leaving":         {schema.Oldest - 1, 2, 2, 3, "the database has schema version 4 and 1 workers"},
		"an older schema, just expired":    {schema.Oldest - 1, 2, 1, -50, "the database has schema version 4 and 1 workers"},
		"an older schema, long expired":    {schema.Oldest - 1, 2, 1, -70, ""},
		"an older schema, all have ended":  {schema.Oldest - 1, 2, 3, 3, ""},
		"older workers":                    {schema.Version(), 1, 1, 3, "of protocol 1 or newer"},
		"older workers, all of them ended": {schema.Version(), 1, 3, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtest.New(t))
			_, err := conn.Exec(t.Context(), worker, test.protocol, test.state, test.expires)
			require.NoError(t, err)
			_, err = conn.Exec(t.Context(), `UPDATE cluster_state SET schema_version = $1`, test.version)
			require.NoError(t, err)
			if test.version < schema.Version() { // what the newer migrations add is there: make room for it
				_, err = conn.Exec(t.Context(), `ALTER TABLE worker DROP COLUMN cordoned, DROP COLUMN lag`)
				require.NoError(t, err)
			}
			if test.version < schema.Oldest {
				_, err = conn.Exec(t.Context(), `DROP VIEW cluster_now; ALTER TABLE cluster_state DROP COLUMN map_version`)
				require.NoError(t, err)
			}
			_, err = schema.Migrate(t.Context(), conn, schema.Options{ServerName: pgtest.ServerName, Protocol: 3, Beside: 2})
			version := schema.Version()
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, schema.ErrTooFar)
				require.ErrorContains(t, err, test.want)
				require.ErrorContains(t, err, "stop all workers")
				version = test.version
			}
			var have int
			require.NoError(t, conn.QueryRow(t.Context(), `SELECT schema_version FROM cluster_state`).Scan(&have))
			require.Equal(t, version, have)
		})
	}
}

func TestABuildThatIsTooOldForTheDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t))
	_, err := conn.Exec(t.Context(), `UPDATE cluster_state SET min_protocol = 3, schema_version = schema_version + 1`)
	require.NoError(t, err)
	of := func(protocol int) schema.Options {
		return schema.Options{ServerName: pgtest.ServerName, Protocol: protocol, Beside: protocol - 1}
	}
	for name, refused := range map[string]func() error{
		"migrate": func() error { _, err := schema.Migrate(t.Context(), conn, of(2)); return err },
		"check":   func() error { _, err := schema.Check(t.Context(), conn, of(2)); return err },
	} {
		err := refused()
		require.ErrorIs(t, err, schema.ErrTooOld, name)
		require.ErrorContains(t, err, "speaks protocol 2")
		require.ErrorContains(t, err, "takes protocol 3 or newer")
	}
	_, err = schema.Migrate(t.Context(), conn, of(3))
	require.NoError(t, err, "the version before, which speaks it, goes on with the newer schema")
	_, err = schema.Check(t.Context(), conn, of(3))
	require.NoError(t, err)
}
