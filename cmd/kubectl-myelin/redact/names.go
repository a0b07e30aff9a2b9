package redact

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// Identifiers of Matrix, as they are and as they are in a URL.
const (
	server = `[A-Za-z0-9.-]+(?:(?::|%3[Aa])[0-9]{1,5})?`
	colon  = `(?::|%3[Aa])`
	local  = `[^\s:"'<>%,()\[\]{}]+`
)

var (
	userID  = regexp.MustCompile(`\]?(?:@|%40)[^\s:"'<>%,()\[\]{}@]+` + colon + server)
	aliasID = regexp.MustCompile(`(?:#|%23)` + local + colon + server)
	roomID  = regexp.MustCompile(`(?:!|%21)(?:` + local + colon + server + `|[A-Za-z0-9_-]{43})`)
	eventID = regexp.MustCompile(`(?:\$|%24)(?:` + local + colon + server + `|[A-Za-z0-9_/+-]{43})`)
	email   = regexp.MustCompile(`\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+`)
	ipv4    = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	ipv6    = regexp.MustCompile(`[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*`)
)

// names puts pseudonyms in the place of names of people, rooms and addresses.
func (r *Redactor) names(text string) string {
	for _, x := range []struct {
		kind    string
		pattern *regexp.Regexp
	}{{"user", userID}, {"room", roomID}, {"event", eventID}, {"alias", aliasID}, {"email", email}} {
		text = x.pattern.ReplaceAllStringFunc(text, func(name string) string {
			if strings.HasPrefix(name, "@sha256:") || strings.HasPrefix(name, "]@") {
				return name // an image's digest; a host after what was its user and password
			}
			if plain, err := url.PathUnescape(name); err == nil {
				name = plain
			}
			return r.pseudonym(x.kind, name)
		})
	}
	text = ipv6.ReplaceAllStringFunc(text, func(match string) string {
		address := strings.TrimRight(match, ".")
		if strings.HasSuffix(address, ":") && !strings.HasSuffix(address, "::") {
			address = strings.TrimSuffix(address, ":")
		}
		return r.address(address) + match[len(address):]
	})
	return ipv4.ReplaceAllStringFunc(text, r.address)
}

// address is that of a host: what everybody has stays.
func (r *Redactor) address(text string) string {
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.IsLoopback() || ip.IsUnspecified() {
		return text
	}
	return r.pseudonym("ip", ip.Unmap().String())
}
