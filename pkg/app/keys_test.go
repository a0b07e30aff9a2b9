package app

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/keyring"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// command runs a command as in the container of a worker, and returns what it prints.
func command(t *testing.T, uri string, want int, args ...string) string {
	t.Helper()
	credential := filepath.Join(t.TempDir(), "credential")
	require.NoError(t, os.WriteFile(credential, []byte(strings.Repeat("c", 32)), 0o600))
	var out strings.Builder
	code := Main(t.Context(), Process{Args: args, Stdout: &out, Stderr: &out, Environ: []string{
		"MYELIN_POSTGRES_URI=" + uri, "MYELIN_SERVER_NAME=" + pgtest.ServerName, "MYELIN_INTERNAL_CREDENTIAL_FILE=" + credential,
	}})
	require.Equal(t, want, code, out.String())
	return out.String()
}

func TestKeysAreListedAndRetired(t *testing.T) {
	t.Parallel()
	uri := pgtest.New(t)
	pool, err := postgres.Open(t.Context(), uri, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	var file []byte
	for range 2 {
		file = append(file, command(t, uri, 0, "generate-signing-key")...)
	}
	keys, err := keyring.ParseFile(pgtest.ServerName, file)
	require.NoError(t, err)
	_, err = keyring.Announce(t.Context(), pool, 1, keys)
	require.NoError(t, err)

	list := strings.Split(command(t, uri, 0, "keys", "list"), "\n")
	require.Len(t, list, 4, "a head, two keys, the last end of line")
	require.Contains(t, strings.Join(list, "\n"), "in use")
	used := keys[1].KeyID()
	require.Contains(t, command(t, uri, 1, "keys", "retire", used), "in use")
	command(t, uri, 0, "keys", "retire", used, "--force")
	require.Contains(t, command(t, uri, 0, "keys", "list"), "retired")
	require.Contains(t, command(t, uri, 1, "keys", "retire", "ed25519:none"), "no such key")
	require.Contains(t, command(t, uri, 1, "keys", "list", "--server-name=other.example"), "another server")
	for _, args := range [][]string{{"keys"}, {"keys", "retire"}, {"keys", "burn"}, {"keys", "list", "--colour"}} {
		command(t, uri, 2, args...)
	}
	require.Contains(t, command(t, uri, 0, "keys", "--help"), "-force")
}

func TestOtherServersAreAtPublicAddresses(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]bool{
		"1.1.1.1": true, "2606:4700::1111": true,
		"10.0.0.1": false, "192.168.1.1": false, "172.16.0.1": false, "127.0.0.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "::1": false, "fe80::1": false, "fd00::1": false, "::ffff:10.0.0.1": false,
		"0.1.2.3": false, "192.0.0.8": false, "198.18.0.1": false, "240.0.0.1": false, "::10.0.0.1": false, "fec0::1": false,
		"64:ff9b::1.1.1.1": true, "64:ff9b::10.0.0.1": false, "64:ff9b::169.254.169.254": false, "64:ff9b:1::a00:1": false,
		"2002:a00:1::": false, "2001:0:1::": false,
	} {
		require.Equal(t, want, isPublic(netip.MustParseAddr(ip).Unmap()), ip)
	}
	_, err := newPublicClient().Get("https://127.0.0.1:1/")
	require.ErrorContains(t, err, "not a public address")
}
