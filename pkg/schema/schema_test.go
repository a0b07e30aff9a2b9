package schema_test

import (
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/schema"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func connect(t *testing.T, uri string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), uri)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func TestMigrateSeedsANewDatabaseAndIsIdempotent(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.NewEmpty(t))
	first, err := schema.Migrate(t.Context(), conn, schema.Options{ServerName: "a.example", Shards: 16})
	require.NoError(t, err)
	require.Equal(t, schema.Version(), first.SchemaVersion)
	require.NotEmpty(t, first.DatabaseID)

	again, err := schema.Migrate(t.Context(), conn, schema.Options{ServerName: "a.example", ExpectDatabaseID: first.DatabaseID})
	require.NoError(t, err)
	require.Equal(t, first, again)

	var leases, slots, widest, partitions int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM shard_lease WHERE space = 'room' AND owner IS NULL AND epoch = 0").Scan(&leases))
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT sum(n), max(n) FROM (SELECT count(*) n FROM slot_shard GROUP BY shard_id) q").Scan(&slots, &widest))
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_inherits WHERE inhparent = 'request_dedupe'::regclass").Scan(&partitions))
	require.Equal(t, []int{16, 4096, 256, 4}, []int{leases, slots, widest, partitions})
}

func TestMigrateFromManyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	uri := pgtest.NewEmpty(t)
	var wg sync.WaitGroup
	ids := make([]string, 4)
	for i := range ids {
		conn := connect(t, uri)
		wg.Go(func() {
			id, err := schema.Migrate(t.Context(), conn, schema.Options{ServerName: "a.example"})
			if err == nil {
				ids[i] = id.DatabaseID
			}
		})
	}
	wg.Wait()
	require.NotEmpty(t, ids[0])
	require.Equal(t, []string{ids[0], ids[0], ids[0], ids[0]}, ids)
}

func TestAnotherDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	migrated := pgtest.New(t)
	id, err := schema.Check(t.Context(), connect(t, migrated), schema.Options{ServerName: pgtest.ServerName})
	require.NoError(t, err)

	for name, c := range map[string]struct {
		uri  string
		opts schema.Options
		want error
	}{
		"empty instead of the known one":   {pgtest.NewEmpty(t), schema.Options{ServerName: pgtest.ServerName, ExpectDatabaseID: id.DatabaseID}, schema.ErrIdentityChanged},
		"another instead of the known one": {migrated, schema.Options{ServerName: pgtest.ServerName, ExpectDatabaseID: "00000000-0000-0000-0000-000000000000"}, schema.ErrIdentityChanged},
		"another server's":                 {migrated, schema.Options{ServerName: "other.example"}, schema.ErrOtherServer},
		"another Homeserver's":             {migrated, schema.Options{ServerName: pgtest.ServerName, HomeserverID: "uid-2"}, schema.ErrOtherHomeserver},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, c.uri)
			before := tables(t, conn)
			_, err := schema.Migrate(t.Context(), conn, c.opts)
			require.ErrorIs(t, err, c.want)
			_, err = schema.Check(t.Context(), conn, c.opts)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, before, tables(t, conn))
		})
	}
}

func TestCheckNeedsASchema(t *testing.T) {
	t.Parallel()
	_, err := schema.Check(t.Context(), connect(t, pgtest.NewEmpty(t)), schema.Options{ServerName: "a.example"})
	require.ErrorIs(t, err, schema.ErrNotMigrated)
}

func TestRotationDropsOldDaysAndKeepsToday(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t))
	_, err := conn.Exec(t.Context(), `
		CREATE TABLE request_dedupe_100 PARTITION OF request_dedupe FOR VALUES FROM (100) TO (101);
		INSERT INTO request_dedupe VALUES (100, '@a:x', '', '', 't', '$old'), (request_dedupe_day(), '@a:x', '', '', 't', '$new');
		INSERT INTO request_dedupe VALUES (50, '@a:x', '', '', 't', '$default')`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "SELECT request_dedupe_rotate()")
	require.NoError(t, err)
	rows, err := conn.Query(t.Context(), "SELECT event_id FROM request_dedupe")
	require.NoError(t, err)
	left, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"$new"}, left)
}

func tables(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	var n int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_class").Scan(&n))
	return n
}
