package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Oldest is the schema version of the build before this one. Workers of older builds were never tried with this build's
// migrations: a database of theirs is migrated only while none of its workers lives.
const Oldest = 5

// Errors by which a jump over versions is refused. Nothing was written when one of them is returned.
var (
	ErrTooOld = errors.New("this build is too old for the database")
	ErrTooFar = errors.New("this build is too far ahead of the workers that live")
)

// admits says whether a worker of opts' protocol may join.
func (i Identity) admits(opts Options, version int) error {
	if opts.Protocol == 0 || opts.Protocol >= i.MinProtocol {
		return nil
	}
	return fmt.Errorf("%w: it has schema version %d and speaks protocol %d, the database has schema version %d and takes protocol %d or newer; "+
		"run the version that upgraded the database, or restore a backup of before",
		ErrTooOld, version, opts.Protocol, i.SchemaVersion, i.MinProtocol)
}

// reach says whether this set's build can upgrade the database, or go back in it, beside the workers that live. A worker whose
// last heartbeat expired a minute ago does not.
func (s *set) reach(ctx context.Context, conn *pgx.Conn, have Identity, opts Options) error {
	if err := have.admits(opts, len(s.expand)); err != nil {
		return err
	}
	const sql = `SELECT count(*), coalesce(min(protocol), 0) FROM worker WHERE state <> 3 AND expires_at > clock_timestamp() - interval '1 minute'`
	var live, oldest int
	if err := conn.QueryRow(ctx, sql).Scan(&live, &oldest); err != nil {
		return fmt.Errorf("look for workers that live: %w", err)
	}
	if live == 0 || have.SchemaVersion >= s.oldest && oldest >= opts.Beside {
		return nil
	}
	return fmt.Errorf("%w: the database has schema version %d and %d workers, of protocol %d or newer, and this build, of schema version %d, "+
		"runs beside schema version %d and protocol %d or newer; upgrade to a version in between first, or stop all workers and then upgrade",
		ErrTooFar, have.SchemaVersion, live, oldest, len(s.expand), s.oldest, opts.Beside)
}
