package lease

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// An Ended worker is gone for good; its row is kept for a day.
type Ended struct {
	ID        int64
	Pod       string
	Addr      string
	Pool      string
	Roles     []string
	StartedAt time.Time // database clock
	// DiedOf is the evidence by which it was declared dead, such as "refused" or "expired"; empty: it left by itself, after
	// it had given away all that it owned.
	DiedOf string
}

// EndedSince reads the workers that ended less than the given time ago, by the database's clock, oldest id first; at most
// 1,000, the newest.
func (m *Manager) EndedSince(ctx context.Context, ago time.Duration) ([]Ended, error) {
	return m.rows.readEnded(ctx, ago)
}

// readEnded takes a worker to have ended when its heartbeats ended, which is a time to live before they expire.
func (r rows) readEnded(ctx context.Context, ago time.Duration) ([]Ended, error) {
	const sql = `
SELECT * FROM (
    SELECT worker_id, pod, addr, pool, roles, started_at, CASE WHEN died_at IS NULL THEN '' ELSE coalesce(died_of, 'unknown') END
      FROM worker
     WHERE state = 3 AND greatest(died_at, expires_at) > clock_timestamp() - $1 * interval '1 millisecond'
     ORDER BY worker_id DESC LIMIT 1000) q
 ORDER BY worker_id`
	found, err := r.pool.Query(ctx, sql, ms(ago))
	if err != nil {
		return nil, fmt.Errorf("read the workers that ended: %w", err)
	}
	ended, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (e Ended, err error) {
		err = row.Scan(&e.ID, &e.Pod, &e.Addr, &e.Pool, &e.Roles, &e.StartedAt, &e.DiedOf)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the workers that ended: %w", err)
	}
	return ended, nil
}
