package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/id"
)

// MaxFilters is how many different filters a user may keep.
const MaxFilters = 1000

// ErrTooManyFilters is returned when a user who has [MaxFilters] adds another.
var ErrTooManyFilters = errors.New("too many filters")

const (
	sqlFilterByHash = `SELECT filter_id FROM filter WHERE user_id = $1 AND hash = $2`
	// Two at once may pass the limit by one each: it bounds, it need not count exactly.
	sqlInsertFilter = `
INSERT INTO filter (user_id, hash, json)
SELECT $1, $2, $3 WHERE (SELECT count(*) FROM filter WHERE user_id = $1) < $4
ON CONFLICT (user_id, hash) DO UPDATE SET hash = excluded.hash
RETURNING filter_id`
	sqlFilter = `SELECT json FROM filter WHERE user_id = $1 AND filter_id = $2`
)

// AddFilter keeps a filter, given as canonical JSON, and returns its number. The same filter has the same number.
// Errors are [ErrTooManyFilters] and those of the database.
func (s *Store) AddFilter(ctx context.Context, user id.UserID, canonical json.RawMessage) (int64, error) {
	hash := sha256.Sum256(canonical)
	var number int64
	// Clients send their filter at every start: the second time must not write.
	err := s.db.QueryRow(ctx, sqlFilterByHash, user, hash[:]).Scan(&number)
	if errors.Is(err, pgx.ErrNoRows) {
		err = s.db.QueryRow(ctx, sqlInsertFilter, user, hash[:], []byte(canonical), MaxFilters).Scan(&number)
		if errors.Is(err, pgx.ErrNoRows) {
			return 0, ErrTooManyFilters
		}
	}
	if err != nil {
		return 0, fmt.Errorf("keep a filter: %w", err)
	}
	return number, nil
}

// Filter returns a filter that the user keeps; false if there is none of this number.
func (s *Store) Filter(ctx context.Context, user id.UserID, number int64) (json.RawMessage, bool, error) {
	var raw []byte
	err := s.db.QueryRow(ctx, sqlFilter, user, number).Scan(&raw)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read a filter: %w", err)
	}
	return raw, true, nil
}
