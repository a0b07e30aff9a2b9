package lease

import (
	"context"
	"fmt"
	"time"
)

// Bereaved says whether a worker with the role was declared dead within that time, on the database clock, and no other
// lives: then its container or pod is likely to come back. Who left by Drain is not missed.
func (m *Manager) Bereaved(ctx context.Context, role string, within time.Duration) (bool, error) {
	const sql = `
SELECT EXISTS (SELECT FROM worker WHERE state = 3 AND $1 = ANY(roles) AND died_at > clock_timestamp() - $2 * interval '1 millisecond')
   AND NOT EXISTS (SELECT FROM worker WHERE state = 1 AND $1 = ANY(roles))`
	var yes bool
	if err := m.rows.pool.QueryRow(ctx, sql, role, ms(within)).Scan(&yes); err != nil {
		return false, fmt.Errorf("look for the dead of role %s: %w", role, err)
	}
	return yes, nil
}
