package id

import (
	"net/netip"
	"strings"
)

// A ServerName names a homeserver: a DNS name or an IP literal with an optional port. Compared with regard to case
// (appendices, "Server Name").
type ServerName string

// String returns the name as a plain string.
func (s ServerName) String() string { return string(s) }

// maxDNSName is the greatest length of a DNS name in a server name, by the grammar.
const maxDNSName = 255

// ParseServerName checks s against the grammar of server names. Errors are of type [*Error].
func ParseServerName(s string) (ServerName, error) {
	const kind = "server name"
	host, port := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", invalid(kind, "IPv6 literal is not closed")
		}
		addr, err := netip.ParseAddr(s[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", invalid(kind, "not an IPv6 literal in brackets")
		}
		switch rest := s[end+1:]; {
		case rest == "":
			return ServerName(s), nil
		case rest[0] != ':':
			return "", invalid(kind, "unexpected character after the IPv6 literal")
		default:
			port = rest[1:]
		}
	} else {
		colon := strings.IndexByte(s, ':')
		if colon >= 0 {
			host, port = s[:colon], s[colon+1:]
		}
		if host == "" {
			return "", invalid(kind, "host is empty")
		}
		if len(host) > maxDNSName {
			return "", invalid(kind, "host is longer than %d bytes", maxDNSName)
		}
		for i := range len(host) {
			if !isDNSChar(host[i]) {
				return "", invalid(kind, "character %q is not allowed in a host", host[i])
			}
		}
		if colon < 0 {
			return ServerName(s), nil
		}
	}
	if len(port) < 1 || len(port) > 5 {
		return "", invalid(kind, "port must have 1 to 5 digits")
	}
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return "", invalid(kind, "port must have 1 to 5 digits")
		}
	}
	return ServerName(s), nil
}

func isDNSChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.'
}
