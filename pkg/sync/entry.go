package sync

import (
	"encoding/json"
	"fmt"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

const (
	typeMember     = "m.room.member"
	typeVisibility = "m.room.history_visibility"
)

// An entry is an event at its place in the stream.
type entry struct {
	*event.Event
	position position.Position
	device   id.DeviceID // with txn: whose local echo this is
	txn      string

	// What a state event took the place of, as far as known.
	prevContent json.RawMessage
	prevSender  id.UserID
	replaces    id.EventID

	// because is the redaction of the event, nil if it was not redacted. becauseRedacted: that was redacted in its turn,
	// here; what Postgres gave may be so without it.
	because         *event.Event
	becauseRedacted bool

	// replaced is the same as an entry, for rolling back. It belongs to the history that the entry is in, and is cut
	// when the entry leaves the run: else old state would stay in memory for ever.
	replaced *entry
}

func loadEntry(version string, p position.Position, eventID string, raw []byte) (*entry, error) {
	v, ok := event.LookupVersion(version)
	if !ok {
		return nil, fmt.Errorf("load event %s: unknown room version %q", eventID, version)
	}
	ev, err := event.Load(v, id.EventID(eventID), raw)
	if err != nil {
		return nil, fmt.Errorf("load event %s: %w", eventID, err)
	}
	return &entry{Event: ev, position: p}, nil
}

// redactedBy notes the redaction that was read with the event, if any.
func (e *entry) redactedBy(eventID *string, raw []byte) error {
	if eventID == nil {
		return nil
	}
	because, err := event.Load(e.Version(), id.EventID(*eventID), raw)
	if err != nil {
		return fmt.Errorf("load the redaction of %s: %w", e.ID(), err)
	}
	e.because = because
	return nil
}

func (e *entry) replace(old *entry) {
	e.replaced = old
	if old != nil {
		e.prevContent, e.prevSender, e.replaces = old.Content(), old.Sender(), old.ID()
	}
}

// A stateKey names a piece of room state.
type stateKey struct{ typ, key string }

// stateKey returns where a state event belongs; false for message events.
func (e *entry) stateKey() (stateKey, bool) {
	key, ok := e.StateKey()
	return stateKey{e.Type(), key}, ok
}

func (e *entry) isMemberOf(user id.UserID) bool {
	return e.Type() == typeMember && e.StateKeyEquals(string(user))
}

func (e *entry) hasURL() bool {
	v, ok := canonicaljson.Get(e.Content(), "url")
	if !ok {
		return false
	}
	_, ok = canonicaljson.String(v)
	return ok
}

// membership of a member entry, "leave" if there is none.
func membershipOf(e *entry) string {
	if e == nil {
		return "leave"
	}
	return e.Membership()
}

func (e *entry) size() int { return len(e.JSON()) + len(e.prevContent) + 400 }

type unsigned struct {
	Age           int64           `json:"age"`
	PrevContent   json.RawMessage `json:"prev_content,omitempty"`
	PrevSender    id.UserID       `json:"prev_sender,omitempty"`
	ReplacesState id.EventID      `json:"replaces_state,omitempty"`
	Because       json.RawMessage `json:"redacted_because,omitempty"`
	TransactionID string          `json:"transaction_id,omitempty"`
}

// render returns the event as one device gets it at a time in milliseconds since 1970.
func (e *entry) render(user id.UserID, device id.DeviceID, now int64) (json.RawMessage, error) {
	u := unsigned{Age: max(0, now-e.OriginServerTS()), PrevContent: e.prevContent, PrevSender: e.prevSender, ReplacesState: e.replaces}
	if e.txn != "" && e.device == device && e.Sender() == user {
		u.TransactionID = e.txn
	}
	if e.because != nil {
		u.Because = event.ClientFormat(e.because, nil, false)
	}
	raw, err := json.Marshal(u)
	if err != nil {
		return nil, fmt.Errorf("render event %s: %w", e.ID(), err)
	}
	return event.ClientFormat(e.Event, raw, false), nil
}
