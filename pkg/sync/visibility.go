package sync

import (
	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

// visibleFrom returns the events of the run from the first at or after p on that the user may see, by their positions
// (client-server API, "Room History Visibility"). It walks back from the present: the run knows what each state event
// replaced.
func (h *history) visibleFrom(user id.UserID, p position.Position) map[position.Position]bool {
	visible := map[position.Position]bool{}
	membership := membershipOf(h.state[stateKey{typeMember, string(user)}])
	rule := ruleOf(h.state[stateKey{typeVisibility, ""}])
	joinedLater := false
	for i := len(h.run) - 1; i >= 0 && h.run[i].position >= p; i-- {
		e := h.run[i]
		joinedLater = joinedLater || membership == "join"
		switch {
		case e.isMemberOf(user): // a change of membership is seen by whom it concerns
			visible[e.position] = true
			membership = membershipOf(e.replaced)
		case e.Type() == typeVisibility && e.StateKeyEquals(""): // a change of the rule is seen under either
			old := ruleOf(e.replaced)
			visible[e.position] = allows(rule, membership, joinedLater) || allows(old, membership, joinedLater)
			rule = old
		default:
			visible[e.position] = allows(rule, membership, joinedLater)
		}
	}
	return visible
}

// ruleOf returns the history visibility that an event sets; "shared" without one.
func ruleOf(e *entry) string {
	if e != nil {
		raw, _ := canonicaljson.Get(e.Content(), "history_visibility")
		switch rule, _ := canonicaljson.String(raw); rule {
		case "joined", "invited", "world_readable":
			return rule
		}
	}
	return "shared"
}

// allows decides by the rule and the user's membership at the event, and whether the user was joined at a later time.
func allows(rule, membership string, joinedLater bool) bool {
	switch {
	case membership == "join", rule == "world_readable":
		return true
	case rule == "invited":
		return membership == "invite" && joinedLater
	case rule == "joined":
		return false
	}
	return joinedLater
}
