package horizon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/position"
)

// rowSpacing is how far apart P is written down while it moves. The row is for those who do not hear P from the bus and
// for the next announcer, who both find the rest by themselves. Each write leaves a dead version of the row behind,
// which a long transaction anywhere in the database keeps: so the writes must not be as many as the blocks.
const rowSpacing = 100 * time.Millisecond

// The row moves only forward, and only for who holds the term.
const updateHorizon = `
UPDATE horizon SET position = $1, generation = $2, updated_at = clock_timestamp()
FROM leader l
WHERE horizon.position <= $1 AND horizon.generation <= $2 AND l.name = $3 AND l.worker_id = $4 AND l.term = $5
RETURNING true`

// A row is what the table horizon holds, as far as this term knows.
type row struct {
	position   position.Position
	generation int64
	written    time.Time
}

// rowLeft returns how long the row may stay as it is; false if it says what the closer knows.
func (c *closer) rowLeft(now time.Time) (time.Duration, bool) {
	switch {
	case c.generation != c.row.generation:
		return 0, true
	case c.p != c.row.position:
		return max(0, rowSpacing-now.Sub(c.row.written)), true
	default:
		return 0, false
	}
}

// save writes P down. It returns errDeposed if another worker holds the term.
func (c *closer) save(ctx context.Context) error {
	var ok bool
	err := c.conn.QueryRow(ctx, updateHorizon, int64(c.p), c.generation, leaderName, c.term.worker, c.term.number).Scan(&ok)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errDeposed
	case err != nil:
		return fmt.Errorf("write the horizon: %w", err)
	}
	c.row = row{position: c.p, generation: c.generation, written: time.Now()}
	return nil
}
