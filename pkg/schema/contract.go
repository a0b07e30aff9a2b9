package schema

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrOlderLive is returned by Contract while a worker lives, or may, that needs what is to be removed.
var ErrOlderLive = errors.New("workers of an older version live")

// Contract removes what only workers of older versions need, and raises the oldest protocol with which a worker may join: to
// that of each contraction, and to opts.Beside. Each step is one transaction that looks for older workers and keeps any from
// joining meanwhile, so it may break off anywhere, is idempotent, and safe to run from several processes at once. The
// protocol recorded in the database says which contractions were made: builds of older protocols are refused from then on.
// conn must be a direct session.
func Contract(ctx context.Context, conn *pgx.Conn, opts Options) (Identity, error) {
	return embedded().contractAll(ctx, conn, opts)
}

func (s *set) contractAll(ctx context.Context, conn *pgx.Conn, opts Options) (Identity, error) {
	unlock, err := lock(ctx, conn)
	if err != nil {
		return Identity{}, err
	}
	defer unlock()
	have, err := identity(ctx, conn)
	if err != nil {
		return have, err
	}
	for _, refused := range []error{have.match(opts), have.admits(opts, len(s.expand)), have.upToDate(len(s.expand))} {
		if refused != nil {
			return have, refused
		}
	}
	for _, m := range s.contract {
		if m.protocol > opts.Protocol {
			return have, fmt.Errorf("migration %s: it needs protocol %d, this build speaks %d", m.name, m.protocol, opts.Protocol)
		}
		if err := contract(ctx, conn, m, opts.Patience); err != nil {
			return have, fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	if err := contract(ctx, conn, migration{protocol: opts.Beside}, opts.Patience); err != nil {
		return have, fmt.Errorf("raise the oldest protocol: %w", err)
	}
	return identity(ctx, conn)
}

// contract makes one contraction, unless it was made before. Nobody joins, and no heartbeat is written, while its
// transaction has the table of workers: a statement that waits or works for longer than patience fails.
func contract(ctx context.Context, conn *pgx.Conn, m migration, patience time.Duration) error {
	if patience == 0 {
		patience = time.Second
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var done bool
		if err := tx.QueryRow(ctx, `SELECT min_protocol >= $1 FROM cluster_state`, m.protocol).Scan(&done); err != nil || done {
			return err
		}
		limit := fmt.Sprintf("SET LOCAL lock_timeout = %[1]d; SET LOCAL statement_timeout = %[1]d", patience.Milliseconds())
		if _, err := tx.Exec(ctx, limit); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `LOCK TABLE worker IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return fmt.Errorf("keep workers from joining: %w", err)
		}
		const older = `SELECT count(*), coalesce(min(worker_id), 0) FROM worker WHERE state <> 3 AND protocol < $1`
		var live, first int64
		if err := tx.QueryRow(ctx, older, m.protocol).Scan(&live, &first); err != nil {
			return fmt.Errorf("look for older workers: %w", err)
		}
		if live > 0 {
			return fmt.Errorf("%w: %d of a protocol before %d, such as worker %d; wait until they have ended", ErrOlderLive, live, m.protocol, first)
		}
		if _, err := tx.Exec(ctx, m.sql); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE cluster_state SET min_protocol = $1`, m.protocol)
		return err
	})
}
