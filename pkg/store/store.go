// Package store reads what the roles share from Postgres: rooms with their events and state, memberships, and what
// belongs to users: profiles, filters, devices. It writes the latter; rooms are written by their owner alone, in
// pkg/persister.
//
// All SQL is static text, and reads are set-wise: their number does not depend on how much they find.
package store

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// Now is the position to give where the newest committed state or event is meant.
const Now position.Position = math.MaxInt64

// Store reads and writes through a pool. It is safe for concurrent use.
type Store struct{ db *pgxpool.Pool }

// New returns a Store on db.
func New(db *pgxpool.Pool) *Store { return &Store{db: db} }

// A Room is what never changes of a room.
type Room struct {
	ID      id.RoomID
	Version *event.Version
	Created position.Position // of the create event
}

func (r Room) slot() int { return shard.Slot(r.ID) }

// A Membership is what a room's current state says of a user.
type Membership struct {
	Membership string // join, invite, knock, leave or ban; "" if the state says nothing
	Position   position.Position
	EventID    id.EventID
}

// ErrNoRoom is returned for a room that is not there.
var ErrNoRoom = errors.New("no such room")

const sqlRoom = `
SELECT r.version, r.created, coalesce(m.membership, ''), coalesce(m.position, 0), coalesce(m.event_id, '')
FROM room r LEFT JOIN room_membership m ON m.room_id = r.room_id AND m.user_id = $2
WHERE r.room_id = $1`

// Room reads a room and the user's membership in it. The error wraps [ErrNoRoom] if there is no such room.
func (s *Store) Room(ctx context.Context, roomID id.RoomID, user id.UserID) (Room, Membership, error) {
	room := Room{ID: roomID}
	var m Membership
	var version string
	err := s.db.QueryRow(ctx, sqlRoom, roomID, user).Scan(&version, &room.Created, &m.Membership, &m.Position, &m.EventID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Room{}, Membership{}, fmt.Errorf("%w: %s", ErrNoRoom, roomID)
	}
	if err != nil {
		return Room{}, Membership{}, fmt.Errorf("read room %s: %w", roomID, err)
	}
	var ok bool
	if room.Version, ok = event.LookupVersion(version); !ok {
		return Room{}, Membership{}, fmt.Errorf("read room %s: version %q is not known", roomID, version)
	}
	return room, m, nil
}

const sqlRoomsOf = `SELECT room_id FROM room_membership WHERE user_id = $1 AND membership = $2 ORDER BY room_id`

// RoomsOf returns the rooms in which the user has this membership now.
func (s *Store) RoomsOf(ctx context.Context, user id.UserID, membership string) ([]id.RoomID, error) {
	rows, err := s.db.Query(ctx, sqlRoomsOf, user, membership)
	if err != nil {
		return nil, fmt.Errorf("read the rooms of %s: %w", user, err)
	}
	rooms, err := pgx.CollectRows(rows, pgx.RowTo[id.RoomID])
	if err != nil {
		return nil, fmt.Errorf("read the rooms of %s: %w", user, err)
	}
	return rooms, nil
}
