package store

import (
	"context"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

// The state at a position is, of each key, the newest row of state_delta at or below it; current_state holds the newest
// of all, so that the common question does not read history.
const (
	sqlCurrentState = `
SELECT` + eventColumns + `
FROM current_state c JOIN event e ON e.slot = $1 AND e.room_id = c.room_id AND e.position = c.position` + redactedBy + `
WHERE c.room_id = $2 AND ($3::text[] IS NULL OR c.type = ANY ($3)) AND ($4::text[] IS NULL OR c.state_key = ANY ($4))
ORDER BY e.position`
	sqlStateAt = `
SELECT` + eventColumns + `
FROM (SELECT DISTINCT ON (type, state_key) position FROM state_delta
      WHERE slot = $1 AND room_id = $2 AND position <= $5
        AND ($3::text[] IS NULL OR type = ANY ($3)) AND ($4::text[] IS NULL OR state_key = ANY ($4))
      ORDER BY type, state_key, position DESC) c
JOIN event e ON e.slot = $1 AND e.room_id = $2 AND e.position = c.position` + redactedBy + `
ORDER BY e.position`
	sqlStateHistory = `
SELECT` + eventColumns + `
FROM state_delta d JOIN event e ON e.slot = d.slot AND e.room_id = d.room_id AND e.position = d.position` + redactedBy + `
WHERE d.slot = $1 AND d.room_id = $2 AND d.type = $3 AND d.state_key = $4 AND d.position <= $5
  AND d.position >= coalesce((SELECT max(position) FROM state_delta
                              WHERE slot = $1 AND room_id = $2 AND type = $3 AND state_key = $4 AND position <= $6), $6)
ORDER BY d.position DESC LIMIT $7`
)

// StateFilter picks state events. A nil list picks all, an empty one none.
type StateFilter struct {
	Types     []string
	StateKeys []string
}

// State returns the room's state as of at, in the order in which it came to be.
func (s *Store) State(ctx context.Context, r Room, f StateFilter, at position.Position) ([]Event, error) {
	if at == Now {
		return s.events(ctx, r, sqlCurrentState, r.slot(), r.ID, f.Types, f.StateKeys)
	}
	return s.events(ctx, r, sqlStateAt, r.slot(), r.ID, f.Types, f.StateKeys, at)
}

// StateEvent returns the state event of one key as of at; false if there is none.
func (s *Store) StateEvent(ctx context.Context, r Room, evType, key string, at position.Position) (Event, bool, error) {
	found, err := s.State(ctx, r, StateFilter{Types: []string{evType}, StateKeys: []string{key}}, at)
	if err != nil || len(found) == 0 {
		return Event{}, false, err
	}
	return found[0], true, nil
}

// StateHistory returns, newest first, the events that one key had in (from, upTo] and the one before, if any: what is
// needed to say what it was at any position of [from, upTo]. At most limit.
func (s *Store) StateHistory(ctx context.Context, r Room, evType, key string, from, upTo position.Position,
	limit int) ([]Event, error) {
	return s.events(ctx, r, sqlStateHistory, r.slot(), r.ID, evType, key, upTo, from, limit)
}

// maxStays bounds how many changes of a user who is not in the room are looked through for the last join.
const maxStays = 1000

// LeftAt returns the position of the event that ended the user's last stay in the room; false if there was no stay, or
// it has not ended. Later events about the user who is not in the room, such as a ban, do not count.
func (s *Store) LeftAt(ctx context.Context, r Room, user id.UserID) (position.Position, bool, error) {
	changes, err := s.StateHistory(ctx, r, "m.room.member", string(user), 0, Now, maxStays)
	if err != nil {
		return 0, false, err
	}
	for i, e := range changes {
		if e.Membership() == "join" {
			if i == 0 {
				return 0, false, nil
			}
			return changes[i-1].Position, true, nil
		}
	}
	return 0, false, nil
}
