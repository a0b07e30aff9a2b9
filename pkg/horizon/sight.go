package horizon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/position"
)

// A sight is what the database says of P.
type sight struct {
	p          position.Position
	generation int64
	alive      bool          // somebody announces
	age        time.Duration // of the oldest committed block above P, 0 if there is none: a block in flight may hold P back
}

const selectHorizon = `
SELECT h.position, h.generation, EXISTS (SELECT FROM leader WHERE name = $1 AND expires_at > clock_timestamp()),
    coalesce((SELECT extract(epoch FROM clock_timestamp() - b.committed_at) FROM stream_block b
              WHERE b.block > h.position >> 10 ORDER BY b.block LIMIT 1), 0)::float8
FROM horizon h`

func look(ctx context.Context, pool *pgxpool.Pool) (sight, error) {
	var s sight
	var age float64
	err := pool.QueryRow(ctx, selectHorizon, leaderName).Scan((*int64)(&s.p), &s.generation, &s.alive, &age)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return s, errors.New("the table horizon is empty")
	case err != nil:
		return s, fmt.Errorf("read the horizon: %w", err)
	}
	s.age = time.Duration(age * float64(time.Second))
	return s, nil
}
