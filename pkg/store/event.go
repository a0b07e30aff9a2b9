package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

// An Event is an event of a room where it stands in the stream.
type Event struct {
	*event.Event
	Position position.Position
	// Whose local echo it is, for unsigned.transaction_id; both are "" where there is none.
	DeviceID id.DeviceID
	TxnID    string
	// RedactedBecause is the redaction of the event, for unsigned.redacted_because; nil if it was not redacted.
	RedactedBecause *event.Event
}

// What is read of each event, and from where: e is the event, b what redacted it.
const (
	eventColumns = ` e.position, e.event_id, e.device_id, e.txn_id, e.json, b.event_id, b.json `
	redactedBy   = ` LEFT JOIN event b ON b.slot = $1 AND b.room_id = e.room_id AND b.position = e.redacted_by `
)

const (
	sqlEventsBackward = `
SELECT` + eventColumns + `FROM event e` + redactedBy + `
WHERE e.slot = $1 AND e.room_id = $2 AND e.position > $3 AND e.position <= $4
ORDER BY e.position DESC LIMIT $5`
	sqlEventsForward = `
SELECT` + eventColumns + `FROM event e` + redactedBy + `
WHERE e.slot = $1 AND e.room_id = $2 AND e.position > $3 AND e.position <= $4
ORDER BY e.position LIMIT $5`
	sqlEvent = `
SELECT` + eventColumns + `FROM event e` + redactedBy + `
WHERE e.slot = $1 AND e.room_id = $2 AND e.event_id = $3`
)

// EventsBackward returns at most limit events of (after, upTo], newest first.
func (s *Store) EventsBackward(ctx context.Context, r Room, after, upTo position.Position, limit int) ([]Event, error) {
	return s.events(ctx, r, sqlEventsBackward, r.slot(), r.ID, after, upTo, limit)
}

// EventsForward returns at most limit events of (after, upTo], oldest first.
func (s *Store) EventsForward(ctx context.Context, r Room, after, upTo position.Position, limit int) ([]Event, error) {
	return s.events(ctx, r, sqlEventsForward, r.slot(), r.ID, after, upTo, limit)
}

// Event returns one event of the room; false if the room has no such event.
func (s *Store) Event(ctx context.Context, r Room, eventID id.EventID) (Event, bool, error) {
	found, err := s.events(ctx, r, sqlEvent, r.slot(), r.ID, eventID)
	if err != nil || len(found) == 0 {
		return Event{}, false, err
	}
	return found[0], true, nil
}

// events runs a query for eventColumns of events of r.
func (s *Store) events(ctx context.Context, r Room, sql string, args ...any) ([]Event, error) {
	rows, err := s.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read events of %s: %w", r.ID, err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Event, error) {
		var e Event
		var eventID id.EventID
		var because *id.EventID
		var raw, becauseRaw []byte
		if err := row.Scan(&e.Position, &eventID, &e.DeviceID, &e.TxnID, &raw, &because, &becauseRaw); err != nil {
			return Event{}, err
		}
		if because != nil {
			if e.RedactedBecause, err = event.Load(r.Version, *because, becauseRaw); err != nil {
				return Event{}, err
			}
		}
		e.Event, err = event.Load(r.Version, eventID, raw)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read events of %s: %w", r.ID, err)
	}
	return found, nil
}
