package event

import "strings"

// MatchType reports whether an event's type matches a pattern of a filter, in which * stands for any sequence of
// characters (client-server API, "Filtering"). Each part between stars is looked for once, from where the last one
// ended: no pattern takes longer than the product of both lengths.
func MatchType(pattern, evType string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == evType
	}
	if !strings.HasPrefix(evType, first) {
		return false
	}
	evType = evType[len(first):]
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(evType, part)
		}
		i := strings.Index(evType, part)
		if i < 0 {
			return false
		}
		evType, rest = evType[i+len(part):], more
	}
}
