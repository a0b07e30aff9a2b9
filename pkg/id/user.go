package id

import (
	"strings"
	"unicode/utf8"
)

// A UserID names a user: "@localpart:server" (appendices, "User Identifiers").
type UserID string

// ParseUserID checks s against the grammar of user ids, including the historical one, whose localpart may be empty
// and holds any code point but ':' and NUL, because servers must accept those of others. Use [ValidLocalpart] before
// giving out a new one. Errors are of type [*Error].
func ParseUserID(s string) (UserID, error) {
	if err := parseLocalAndServer("user ID", '@', s); err != nil {
		return "", err
	}
	return UserID(s), nil
}

// NewUserID puts together the id of a new user of server. The localpart must satisfy [ValidLocalpart] and the whole
// must not exceed [MaxLength] bytes. Errors are of type [*Error].
func NewUserID(localpart string, server ServerName) (UserID, error) {
	if err := ValidLocalpart(localpart); err != nil {
		return "", err
	}
	return ParseUserID("@" + localpart + ":" + string(server))
}

// String returns the id as a plain string.
func (u UserID) String() string { return string(u) }

// Localpart returns what stands between the sigil and the first colon.
func (u UserID) Localpart() string {
	local, _, _ := strings.Cut(strings.TrimPrefix(string(u), "@"), ":")
	return local
}

// ServerName returns what follows the first colon: the homeserver of the user.
func (u UserID) ServerName() ServerName {
	_, server, _ := strings.Cut(string(u), ":")
	return ServerName(server)
}

// ValidLocalpart checks the localpart of a user that is about to be registered: not empty, of a-z, 0-9 and "._=-/+".
// Errors are of type [*Error].
func ValidLocalpart(s string) error {
	const kind = "localpart"
	if s == "" {
		return invalid(kind, "it is empty")
	}
	for i, r := range s {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', strings.ContainsRune("._=-/+", r):
		case r == utf8.RuneError:
			return invalid(kind, "it is not UTF-8 at byte %d", i)
		default:
			return invalid(kind, "character %q is not allowed; only a-z, 0-9 and ._=-/+ are", r)
		}
	}
	return nil
}

// parseLocalAndServer checks the common form: sigil, localpart without ':' and NUL, colon, server name.
func parseLocalAndServer(kind string, sigil byte, s string) error {
	if s == "" || s[0] != sigil {
		return invalid(kind, "it does not begin with %q", sigil)
	}
	if len(s) > MaxLength {
		return invalid(kind, "it is longer than %d bytes", MaxLength)
	}
	local, server, ok := strings.Cut(s[1:], ":")
	if !ok {
		return invalid(kind, "it has no server name")
	}
	if !utf8.ValidString(local) {
		return invalid(kind, "it is not UTF-8")
	}
	if strings.IndexByte(local, 0) >= 0 {
		return invalid(kind, "it contains NUL")
	}
	if _, err := ParseServerName(server); err != nil {
		return invalid(kind, "%v", err)
	}
	return nil
}
