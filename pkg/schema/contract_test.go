package schema_test

import (
	"errors"
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/schema"
)

// next is the build after this one, with these migrations besides, by name.
func next(t *testing.T, more map[string]string) *schema.Set {
	t.Helper()
	files := fstest.MapFS{}
	entries, err := fs.ReadDir(schema.Migrations, "migrations")
	require.NoError(t, err)
	for _, e := range entries {
		text, err := fs.ReadFile(schema.Migrations, "migrations/"+e.Name())
		require.NoError(t, err)
		files["migrations/"+e.Name()] = &fstest.MapFile{Data: text}
	}
	for name, text := range more {
		files["migrations/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	set, err := schema.Load(files, schema.Version())
	require.NoError(t, err)
	return set
}

// pair moves what the version before keeps in one table into another.
var pair = map[string]string{
	"0008_pets.sql":          `CREATE TABLE pet AS SELECT name FROM animal`,
	"0008_pets.contract.sql": "-- protocol: 3\nDROP TABLE animal;",
}

// newer are the options of the build with the pair; before, those of the build that it follows.
var (
	newer  = schema.Options{ServerName: pgtest.ServerName, Protocol: 3, Beside: 2, Patience: time.Minute}
	before = schema.Options{ServerName: pgtest.ServerName, Protocol: 2, Beside: 1}
)

// expanded is a database that the build with the migrations has expanded, beside workers of the build before.
func expanded(t *testing.T, build *schema.Set) *pgx.Conn {
	t.Helper()
	conn := connect(t, pgtest.New(t))
	execute(t, conn, `CREATE TABLE animal (name text)`)
	execute(t, conn, worker, 2, 1, 3)
	_, err := schema.MigrateWith(build, t.Context(), conn, newer)
	require.NoError(t, err)
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// is says which of the tables there are, and the oldest protocol.
func is(t *testing.T, conn *pgx.Conn) (old, young bool, protocol int) {
	t.Helper()
	const sql = `SELECT to_regclass('animal') IS NOT NULL, to_regclass('pet') IS NOT NULL, min_protocol FROM cluster_state`
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&old, &young, &protocol))
	return old, young, protocol
}

func requireIs(t *testing.T, conn *pgx.Conn, old, young bool, protocol int, why string) {
	t.Helper()
	o, y, p := is(t, conn)
	require.Equal(t, []any{old, young, protocol}, []any{o, y, p}, why)
}

func TestContractWaitsForTheLastOlderWorkerAndShutsTheDoorBehindIt(t *testing.T) {
	t.Parallel()
	build := next(t, pair)
	conn := expanded(t, build)
	requireIs(t, conn, true, true, 1, "both versions have what they need")
	_, err := schema.Migrate(t.Context(), conn, before)
	require.NoError(t, err, "one can still go back")

	for what, sql := range map[string]string{
		"live": `UPDATE worker SET state = 1`, "leaving": `UPDATE worker SET state = 2`,
		"silent for long": `UPDATE worker SET state = 1, expires_at = clock_timestamp() - interval '1 day'`,
	} {
		execute(t, conn, sql)
		_, err := schema.ContractWith(build, t.Context(), conn, newer)
		require.ErrorIs(t, err, schema.ErrOlderLive, what)
		requireIs(t, conn, true, true, 1, what)
	}
	execute(t, conn, `UPDATE worker SET state = 3`)
	execute(t, conn, worker, 3, 1, 3)
	for range 2 { // the second finds nothing to do: the table could not be dropped twice
		id, err := schema.ContractWith(build, t.Context(), conn, newer)
		require.NoError(t, err)
		require.Equal(t, 3, id.MinProtocol)
		requireIs(t, conn, false, true, 3, "contracted")
	}
	_, err = schema.Migrate(t.Context(), conn, before)
	require.ErrorIs(t, err, schema.ErrTooOld, "there is no way back any more")
	_, err = schema.Check(t.Context(), conn, before)
	require.ErrorIs(t, err, schema.ErrTooOld)
	_, err = schema.Contract(t.Context(), conn, before)
	require.ErrorIs(t, err, schema.ErrTooOld)
}

// Workers of the version before come and go as fast as they can. When the contraction is done none of them lives.
func TestNoOlderWorkerJoinsBehindAContraction(t *testing.T) {
	t.Parallel()
	build := next(t, pair)
	conn := expanded(t, build)
	execute(t, conn, `UPDATE worker SET state = 3`)
	var joiners sync.WaitGroup
	refused := make([]int, 4)
	for i := range refused {
		session, err := pgx.Connect(t.Context(), conn.Config().ConnString())
		require.NoError(t, err)
		t.Cleanup(func() { _ = session.Close(t.Context()) })
		joiners.Go(func() {
			for refused[i] < 3 { // it ends only once the door is shut
				var id int64
				err := session.QueryRow(t.Context(), `INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
					SELECT 'p', 'p:1', 'p', '{gateway}', 2, 1, clock_timestamp() FROM cluster_now WHERE same AND min_protocol <= 2
					RETURNING worker_id`).Scan(&id)
				if errors.Is(err, pgx.ErrNoRows) {
					refused[i]++
					continue
				}
				if err == nil {
					_, err = session.Exec(t.Context(), `UPDATE worker SET state = 3 WHERE worker_id = $1`, id)
				}
				if err != nil {
					return
				}
			}
		})
	}
	var err error
	for range 10_000 {
		if _, err = schema.ContractWith(build, t.Context(), conn, newer); err == nil {
			break
		}
		require.ErrorIs(t, err, schema.ErrOlderLive)
	}
	require.NoError(t, err)
	var live int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM worker WHERE state <> 3`).Scan(&live))
	require.Zero(t, live)
	joiners.Wait()
	require.Equal(t, []int{3, 3, 3, 3}, refused)
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM worker WHERE state <> 3`).Scan(&live))
	require.Zero(t, live)
}

// Whatever ends a contraction half-way, each step is made whole or not at all, and the next attempt goes on from there.
func TestAContractionThatBreaksOffIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	steps := func(last string) map[string]string {
		return map[string]string{
			"0008_pets.sql":           pair["0008_pets.sql"],
			"0008_pets.contract.sql":  pair["0008_pets.contract.sql"],
			"0009_goods.sql":          `CREATE TABLE good (name text)`,
			"0009_goods.contract.sql": "-- protocol: 4\nDROP TABLE good; " + last,
		}
	}
	opts := newer
	opts.Protocol = 4
	broken := next(t, steps(`SELECT pg_terminate_backend(pg_backend_pid())`))
	uri := expanded(t, broken).Config().ConnString()
	execute(t, connect(t, uri), `UPDATE worker SET state = 3`)
	for range 2 {
		_, err := schema.ContractWith(broken, t.Context(), connect(t, uri), opts)
		require.Error(t, err)
		requireIs(t, connect(t, uri), false, true, 3, "the first step is made, the second is not")
		execute(t, connect(t, uri), `SELECT FROM good`)
	}
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		conn, mended := connect(t, uri), next(t, steps(""))
		all.Go(func() { _, errs[i] = schema.ContractWith(mended, t.Context(), conn, opts) })
	}
	all.Wait()
	require.Equal(t, make([]error, 4), errs, "several at once make it once")
	requireIs(t, connect(t, uri), false, true, 4, "contracted")
}

func TestContractNeedsTheSchemaOfItsBuild(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t))
	_, err := schema.ContractWith(next(t, map[string]string{"0008_more.sql": "SELECT 1"}), t.Context(), conn, newer)
	require.ErrorIs(t, err, schema.ErrOutdated)
	_, err = schema.Contract(t.Context(), conn, schema.Options{ServerName: "other.example", Protocol: 2})
	require.ErrorIs(t, err, schema.ErrOtherServer)
	_, err = schema.Contract(t.Context(), connect(t, pgtest.NewEmpty(t)), newer)
	require.ErrorIs(t, err, schema.ErrNotMigrated)
}

// This build has nothing to remove: only builds that are older than the version before are kept out.
func TestContractOfThisBuildRaisesTheOldestProtocolOnly(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t))
	count := tables(t, conn)
	id, err := schema.Contract(t.Context(), conn, newer)
	require.NoError(t, err)
	require.Equal(t, []int{2, schema.Version(), count}, []int{id.MinProtocol, id.SchemaVersion, tables(t, conn)})
}

func TestMigrationsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	const three = "-- protocol: 3\nSELECT 1"
	for want, names := range map[string]map[string]string{
		"name is not":             {"1.sql": ""},
		"expected number 1":       {"0002_a.sql": ""},
		"its first line is not":   {"0001_a.sql": "", "0001_a.contract.sql": "DROP TABLE x"},
		"there is no migration":   {"0001_a.sql": "", "0002_a.contract.sql": three},
		"its protocol is not abo": {"0001_a.sql": "", "0002_b.sql": "", "0001_a.contract.sql": three, "0002_b.contract.sql": three},
	} {
		files := fstest.MapFS{}
		for name, text := range names {
			files["migrations/"+name] = &fstest.MapFile{Data: []byte(text)}
		}
		_, err := schema.Load(files, 1)
		require.ErrorContains(t, err, want)
	}
}
