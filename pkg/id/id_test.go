package id_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
)

func TestParseServerName(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"matrix.org", "matrix.org:8888", "1.2.3.4", "1.2.3.4:1234", "[1234:5678::abcd]", "[1234:5678::abcd]:5678", "localhost", "a-b.EXAMPLE:1",
		strings.Repeat("a", 255), "[::ffff:1.2.3.4]",
		"azAZ09:12345", "a:9", "a:0",
	} {
		got, err := id.ParseServerName(s)
		require.NoError(t, err, s)
		require.Equal(t, s, got.String())
	}
	for _, s := range []string{
		"", ":80", "a:", "a:123456", "a:1:2", "a:-1", "a b", "a_b", "é.example", "[::1", "[::1]80", "[::1]:", "[1.2.3.4]", "[fe80::1%eth0]", "::1",
		":", "[", "[]", "[]:80", "a:/", "a/b", "@a", strings.Repeat("a", 256), "a\x00",
	} {
		_, err := id.ParseServerName(s)
		requireKind(t, "server name", err, s)
	}
}

func requireKind(t *testing.T, kind string, err error, of string) {
	t.Helper()
	var e *id.Error
	require.ErrorAs(t, err, &e, of)
	require.Equal(t, kind, e.Kind)
}

func TestParseUserID(t *testing.T) {
	t.Parallel()
	for s, parts := range map[string][2]string{
		"@alice:example.org":      {"alice", "example.org"},
		"@alice:example.org:8448": {"alice", "example.org:8448"},
		"@a:[::1]:80":             {"a", "[::1]:80"},
		// Historical ones.
		"@:example.org":                                 {"", "example.org"},
		"@Alice Ü\n!:example.org":                       {"Alice Ü\n!", "example.org"},
		"@@nested@:example.org":                         {"@nested@", "example.org"},
		"@" + strings.Repeat("x", 242) + ":example.org": {strings.Repeat("x", 242), "example.org"},
	} {
		u, err := id.ParseUserID(s)
		require.NoError(t, err, s)
		require.Equal(t, parts[0], u.Localpart())
		require.Equal(t, id.ServerName(parts[1]), u.ServerName())
	}
	for _, s := range []string{
		"", "@", "alice:example.org", "#alice:example.org", "@alice", "@alice:", "@alice:a b", "@al\x00ice:example.org", "@\x00:example.org", "@\xff:example.org",
		"@" + strings.Repeat("x", 243) + ":example.org",
	} {
		_, err := id.ParseUserID(s)
		requireKind(t, "user ID", err, s)
	}
}

func TestNewUserIDIsStrict(t *testing.T) {
	t.Parallel()
	u, err := id.NewUserID("az.b_c=d-e/f+09", "example.org")
	require.NoError(t, err)
	require.Equal(t, "@az.b_c=d-e/f+09:example.org", u.String())
	for _, s := range []string{"", "Alice", "ä", "a b", "a:b", "a@", "\xff", "a\n"} {
		requireKind(t, "localpart", id.ValidLocalpart(s), s)
		_, err := id.NewUserID(s, "example.org")
		require.Error(t, err)
	}
	_, err = id.NewUserID(strings.Repeat("x", 250), "example.org")
	requireKind(t, "user ID", err, "long")
}

func TestParseRoomAndEventID(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("aA0-_", 7) + "zZ9zZ9zZ"
	for _, s := range []string{"!abc:example.org", "!" + hash, "!Ü x:example.org:80"} {
		r, err := id.ParseRoomID(s)
		require.NoError(t, err, s)
		require.Equal(t, s, r.String())
	}
	for _, s := range []string{
		"", "!", "!abc", "abc:example.org", "$" + hash, "!" + hash + "x", "!" + hash[1:], "!" + strings.Repeat("+", 43), "!a:", "!a\x00:b",
		"!" + strings.Repeat("x", 255) + ":b",
	} {
		_, err := id.ParseRoomID(s)
		requireKind(t, "room ID", err, s)
	}
	for _, s := range []string{"$abc:example.org", "$" + hash, "$" + strings.Repeat("+/a", 14) + "b"} {
		e, err := id.ParseEventID(s)
		require.NoError(t, err, s)
		require.Equal(t, s, e.String())
	}
	for _, s := range []string{"", "$", "$abc", "!" + hash, "$" + hash + "x", "$" + strings.Repeat("!", 43), "$a:"} {
		_, err := id.ParseEventID(s)
		requireKind(t, "event ID", err, s)
	}
}
