package app

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// A worker that could read nothing would be ready, and refuse everybody.
func TestAWorkerWhosePoolerLeadsElsewhereDoesNotStart(t *testing.T) {
	t.Parallel()
	database, other := pgtest.New(t), pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), other) // the template's copies share its id
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "UPDATE cluster_state SET database_id = gen_random_uuid()")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	var key bytes.Buffer
	require.Zero(t, Main(t.Context(), Process{Args: []string{"generate-signing-key"}, Stdout: &key, Stderr: os.Stderr}))
	for uri, why := range map[string]string{
		other: "not the one", pgtest.NewEmpty(t): "not the one", "postgres://myelin:sesame@" + freeAddr(t) + "/myelin": "refused",
	} {
		var log bytes.Buffer
		require.Equal(t, 1, Main(t.Context(), Process{Stdout: io.Discard, Stderr: &log, Args: []string{
			"run", "--roles=all", "--server-name=" + pgtest.ServerName,
			"--public-addr=" + freeAddr(t), "--internal-addr=" + freeAddr(t), "--probe-addr=" + freeAddr(t),
			"--postgres-uri-file=" + file("uri", database), "--postgres-read-uri-file=" + file("read-uri", uri), "--signing-key-file=" + file("key", key.String()),
			"--internal-credential-file=" + file("credential", "a credential that only this test knows, and no other"),
		}}))
		require.Contains(t, log.String(), "--postgres-read-uri")
		require.Contains(t, log.String(), why)
		require.NotContains(t, log.String(), "sesame")
	}
}
