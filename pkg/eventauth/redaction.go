package eventauth

import (
	"strings"

	"github.com/myelin-hs/myelin/pkg/event"
)

// checkRedaction holds the rules about redactions, of versions in which the id of an event has the domain of its server.
func checkRedaction(v *event.Version, ev *event.Event, levels *PowerLevels) error {
	if levels.User(ev.Sender()) >= levels.Redact {
		return nil // redaction.level
	}
	if of := domain(string(ev.Redacts())); of != "" && of == domain(string(ev.ID())) {
		return nil // redaction.domain
	}
	return reject(v, redactionRejected, "the sender's power level is too low to redact an event of another server")
}

// RedactionApplies reports whether a redaction that was accepted is to be applied to target, an event that it names; levels
// are those at the redaction (room version pages, "Handling redactions"). Where redactions have a rule of their own, that
// has decided.
func RedactionApplies(v *event.Version, levels *PowerLevels, redaction, target *event.Event) bool {
	if redaction.RoomID() != target.RoomID() {
		return false
	}
	return v.RedactionRule || levels.User(redaction.Sender()) >= levels.Redact ||
		redaction.Sender().ServerName() == target.Sender().ServerName()
}

// domain returns what follows the first colon of a room's or an event's id, "" if there is none.
func domain(of string) string {
	_, domain, _ := strings.Cut(of, ":")
	return domain
}
