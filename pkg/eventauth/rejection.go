package eventauth

import "github.com/myelin-hs/myelin/pkg/event"

// A Rejection says which rule an event broke.
type Rejection struct {
	// Rule is the number on the page of the event's room version, such as "5.3.2".
	Rule string
	// Name is what the rule is called in all versions, such as "member.join.other".
	Name string
	// Reason is for people. It does not tell what the sender may not know.
	Reason string
}

func (r *Rejection) Error() string { return "rule " + r.Rule + " (" + r.Name + "): " + r.Reason }

func reject(v *event.Version, r rule, reason string) error {
	return &Rejection{Rule: number(v, r), Name: string(r), Reason: reason}
}
