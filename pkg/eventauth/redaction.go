package eventauth

import (
	"strings"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
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

// CanRedact reports whether a redaction that sender sent applies to target, an event of that other sender (room
// version pages, "Handling redactions").
func (p *PowerLevels) CanRedact(sender, targetSender id.UserID) bool {
	return p.User(sender) >= p.Redact || sender.ServerName() == targetSender.ServerName()
}

// domain returns what follows the first colon of a room's or an event's id, "" if there is none.
func domain(of string) string {
	_, domain, _ := strings.Cut(of, ":")
	return domain
}
