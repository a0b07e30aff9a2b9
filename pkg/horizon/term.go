package horizon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	leaderName = "announcer"
	leaderTTL  = time.Second
	renewEvery = 300 * time.Millisecond
)

// errDeposed says that another worker holds the term.
var errDeposed = errors.New("another announcer has taken over")

// A term is one worker's time as the announcer. Terms count up; TTLs are hints about liveness only: whoever announces
// computes P from the truth and moves the row only forward.
type term struct {
	worker int64
	number int64
}

// termLeft returns for how much longer the present term runs; 0 if there is none.
func termLeft(ctx context.Context, pool *pgxpool.Pool) (time.Duration, error) {
	var seconds float64
	err := pool.QueryRow(ctx, `SELECT coalesce((SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM leader WHERE name = $1), 0)::float8`,
		leaderName).Scan(&seconds)
	if err != nil {
		return 0, fmt.Errorf("read the announcer's term: %w", err)
	}
	return max(0, time.Duration(seconds*float64(time.Second))), nil
}

// begin takes the leader row if no term runs, else it returns errDeposed.
func begin(ctx context.Context, conn *pgx.Conn, worker int64) (term, error) {
	t := term{worker: worker}
	err := conn.QueryRow(ctx, `
		INSERT INTO leader AS l (name, worker_id, term, expires_at) VALUES ($1, $2, 1, clock_timestamp() + $3::interval)
		ON CONFLICT (name) DO UPDATE SET worker_id = $2, term = l.term + 1, expires_at = clock_timestamp() + $3::interval
		WHERE l.expires_at <= clock_timestamp()
		RETURNING term`, leaderName, worker, leaderTTL).Scan(&t.number)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return t, errDeposed
	case err != nil:
		return t, fmt.Errorf("begin a term: %w", err)
	}
	return t, nil
}

func (t term) renew(ctx context.Context, conn *pgx.Conn) error {
	tag, err := conn.Exec(ctx, `UPDATE leader SET expires_at = clock_timestamp() + $4::interval WHERE name = $1 AND worker_id = $2 AND term = $3`,
		leaderName, t.worker, t.number, leaderTTL)
	if err != nil {
		return fmt.Errorf("renew the term: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errDeposed
	}
	return nil
}

// resign ends the term now, so that a planned stop costs no TTL.
func (t term) resign(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `UPDATE leader SET expires_at = clock_timestamp() WHERE name = $1 AND worker_id = $2 AND term = $3`,
		leaderName, t.worker, t.number)
	if err != nil {
		return fmt.Errorf("resign: %w", err)
	}
	return nil
}
