package eventauth

import "github.com/myelin-hs/myelin/pkg/event"

// A Numbered is a rule of a room version's page.
type Numbered struct{ Name, Number string }

// Rules returns the rules of a version's page in their order.
func Rules(v *event.Version) []Numbered {
	var rules []Numbered
	for name, counts := range numbered(v) {
		rules = append(rules, Numbered{string(name), dotted(counts)})
	}
	return rules
}
