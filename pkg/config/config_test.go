package config_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/config"
)

var roles = []string{"gateway", "client", "persister"}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestRunDefaults(t *testing.T) {
	t.Parallel()
	credential := write(t, strings.Repeat("c", 32)+"\n")
	c, err := config.Run([]string{"--server-name=a.example", "--internal-credential-file=" + credential},
		[]string{"MYELIN_POSTGRES_URI=postgres://u:hunter2@db/m", "POD_NAME=p-1", "POD_IP=10.0.0.7", "HOME=/"}, roles, io.Discard)
	require.NoError(t, err)
	require.Equal(t, roles, c.Roles)
	require.Equal(t, "10.0.0.7:8090", c.AdvertiseAddr)
	require.Equal(t, "p-1", c.PodName)
	require.Equal(t, "a.example", c.HomeserverID)
	require.Equal(t, config.RegistrationClosed, c.Registration)
	require.Equal(t, 4*time.Second, c.StopDelay)
	require.True(t, c.PostgresReadURI.Empty())
	require.Equal(t, strings.Repeat("c", 32), c.InternalCredential.Reveal(), "white space around a secret is dropped")
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.PostgresURI, c.PostgresURI), slog.AnyValue(c.PostgresURI).Resolve().String()} {
		require.NotContains(t, shown, "hunter2")
	}
	asJSON, err := json.Marshal(c)
	require.NoError(t, err)
	require.NotContains(t, string(asJSON), "hunter2")
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	credential := write(t, strings.Repeat("c", 32))
	good := []string{"--server-name=a.example", "--postgres-uri=postgres://db/m", "--internal-credential-file=" + credential}
	for name, c := range map[string]struct {
		args, env []string
		want      string
	}{
		"unknown flag":           {args: []string{"--colour=red"}, want: "colour"},
		"unknown variable":       {env: []string{"MYELIN_COLOUR=red"}, want: "MYELIN_COLOUR"},
		"bad variable":           {env: []string{"MYELIN_MAX_CONNS=red"}, want: "MYELIN_MAX_CONNS"},
		"argument":               {args: []string{"now"}, want: "now"},
		"unknown role":           {args: []string{"--roles=gateway,janitor"}, want: "janitor"},
		"role twice":             {args: []string{"--roles=gateway,gateway"}, want: "twice"},
		"several without redis":  {args: []string{"--roles=gateway"}, want: "redis"},
		"password without redis": {args: []string{"--redis-password-file=" + credential}, want: "--redis-uri"},
		"no server name":         {args: []string{"--server-name="}, want: "server-name"},
		"bad registration":       {args: []string{"--registration=maybe"}, want: "maybe"},
		"empty secret file":      {args: []string{"--signing-key-file=" + write(t, "\n")}, want: "empty"},
		"missing secret file":    {args: []string{"--signing-key-file=/nowhere/key"}, want: "signing-key-file"},
		"uri twice":              {args: []string{"--postgres-uri-file=" + credential}, want: "exclude"},
		"bad address":            {args: []string{"--internal-addr=8090"}, want: "internal-addr"},
		"bad level":              {args: []string{"--log-level=loud"}, want: "log-level"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Run(append(append([]string{}, good...), c.args...), c.env, roles, io.Discard)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestServiceLinksOfKubernetesAreNotSettings(t *testing.T) {
	t.Parallel()
	_, err := config.Migrate([]string{"--server-name=a.example", "--postgres-uri=postgres://db/m"}, []string{
		"MYELIN_SERVICE_HOST=10.0.0.1", "MYELIN_SERVICE_PORT=80", "MYELIN_SERVICE_PORT_HTTP=80", "MYELIN_PORT=tcp://10.0.0.1:80",
		"MYELIN_PORT_80_TCP=tcp://10.0.0.1:80", "MYELIN_PORT_80_TCP_PROTO=tcp", "MYELIN_REDIS_SERVICE_HOST=10.0.0.2",
	}, io.Discard)
	require.NoError(t, err)
}

func TestHelpListsTheFlags(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	_, err := config.Migrate([]string{"--help"}, nil, &out)
	require.ErrorIs(t, err, config.ErrHelp)
	require.Contains(t, out.String(), "-shards")
}

func TestKeysPassesOverWhatAWorkerIsToldBesides(t *testing.T) {
	t.Parallel()
	environ := []string{"MYELIN_SERVER_NAME=a.example", "MYELIN_POSTGRES_URI=postgres://db/m", "MYELIN_ROLES=all"}
	k, err := config.KeysCommand([]string{"--force"}, environ, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "a.example", k.HomeserverID)
	require.True(t, k.Force)
	_, err = config.KeysCommand([]string{"--roles=all"}, environ, io.Discard)
	require.ErrorContains(t, err, "roles")
	_, err = config.KeysCommand(nil, nil, io.Discard)
	require.ErrorContains(t, err, "server-name")
	require.ErrorContains(t, err, "postgres-uri")
}

func TestTrustedNotaries(t *testing.T) {
	t.Parallel()
	args := []string{"--server-name=a.example", "--postgres-uri=postgres://db/m", "--internal-credential-file=" + write(t, strings.Repeat("c", 32))}
	c, err := config.Run(args, nil, roles, io.Discard)
	require.NoError(t, err)
	require.Empty(t, c.TrustedNotaries)
	c, err = config.Run(append(args, "--trusted-notaries=b.example,c.example:8448"), nil, roles, io.Discard)
	require.NoError(t, err)
	require.Equal(t, []string{"b.example", "c.example:8448"}, c.TrustedNotaries)
}

func TestASecretOfAFileIsReadAnew(t *testing.T) {
	t.Parallel()
	credential, uri := write(t, strings.Repeat("c", 32)), write(t, "redis://a")
	c, err := config.Run([]string{
		"--server-name=a.example", "--postgres-uri=postgres://db/m", "--internal-credential-file=" + credential, "--redis-uri-file=" + uri,
	}, nil, roles, io.Discard)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(uri, []byte("redis://b\n"), 0o600))
	now, err := c.RedisURI.Current()
	require.NoError(t, err)
	require.Equal(t, "redis://b", now)
	require.Equal(t, "redis://a", c.RedisURI.Reveal(), "what was read at the start stays")
	require.NoError(t, os.Remove(uri))
	_, err = c.RedisURI.Current()
	require.Error(t, err)
	now, err = c.PostgresURI.Current()
	require.NoError(t, err)
	require.Equal(t, "postgres://db/m", now, "a secret of no file stays what it is")
}
