// Package schema holds the database schema as numbered, append-only migrations, and the identity of the database that
// they were applied to. `worker migrate` is the only caller of Migrate; every worker calls Check before it writes.
package schema

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Slots is the number of slots that rooms hash into; it never changes.
const Slots = 4096

// migrationLock is the key of the session advisory lock that keeps two migrators apart.
const migrationLock = 0x4d79656c696e // "Myelin"

// Options name the homeserver that the database is expected to belong to.
type Options struct {
	ServerName   string // required
	HomeserverID string // who claims the database; defaults to the server name
	// ExpectDatabaseID, when set, is the id that this homeserver's database had before. Another database, an empty one
	// included, is then refused.
	ExpectDatabaseID string
	Shards           int // number of shards of a new database, 1..4096; default 64
	// Protocol is the newest protocol between workers that this build speaks, and Beside the oldest of workers that it may
	// run beside. 0: not compared.
	Protocol, Beside int
	// Patience bounds each statement of Contract, which holds up heartbeats; default 1 s.
	Patience time.Duration
}

// Identity says which database this is.
type Identity struct {
	DatabaseID    string
	ServerName    string
	HomeserverID  string
	Generation    int64
	SchemaVersion int
	MinProtocol   int // the oldest protocol between workers with which one may join
}

// Errors by which a database is refused. Nothing was written when one of them is returned.
var (
	ErrNotMigrated     = errors.New("database has no Myelin schema yet: run `worker migrate`")
	ErrOutdated        = errors.New("database schema is older than this build: run `worker migrate`")
	ErrOtherServer     = errors.New("database belongs to another server name")
	ErrOtherHomeserver = errors.New("database is claimed by another Homeserver")
	ErrIdentityChanged = errors.New("database is not the one that this homeserver has used so far")
)

// Version is the schema version that this build needs: the number of its last migration.
func Version() int { return len(embedded().expand) }

// Migrate brings the database to Version and claims it for opts' homeserver. It is idempotent, and safe to run from
// several processes at once. conn must be a direct session, not one through a transaction pooler.
func Migrate(ctx context.Context, conn *pgx.Conn, opts Options) (Identity, error) {
	return embedded().migrate(ctx, conn, opts)
}

func (s *set) migrate(ctx context.Context, conn *pgx.Conn, opts Options) (Identity, error) {
	if opts.ServerName == "" {
		return Identity{}, errors.New("migrate: server name is empty")
	}
	if opts.HomeserverID == "" {
		opts.HomeserverID = opts.ServerName
	}
	if opts.Shards == 0 {
		opts.Shards = 64
	}
	if opts.Shards < 1 || opts.Shards > Slots {
		return Identity{}, fmt.Errorf("migrate: shards is %d, must be 1 to %d", opts.Shards, Slots)
	}
	unlock, err := lock(ctx, conn)
	if err != nil {
		return Identity{}, err
	}
	defer unlock()

	have, err := identity(ctx, conn)
	switch {
	case errors.Is(err, ErrNotMigrated):
		if opts.ExpectDatabaseID != "" {
			return Identity{}, fmt.Errorf("%w: expected %s, found a database without a Myelin schema", ErrIdentityChanged, opts.ExpectDatabaseID)
		}
	case err != nil:
		return Identity{}, err
	default:
		if err := have.match(opts); err != nil {
			return have, err
		}
		if err := s.reach(ctx, conn, have, opts); err != nil {
			return have, err
		}
	}
	for _, m := range s.expand[min(have.SchemaVersion, len(s.expand)):] {
		if err := apply(ctx, conn, m, opts); err != nil {
			return Identity{}, err
		}
	}
	return identity(ctx, conn)
}

// lock keeps two migrators apart, until the function that it returns is called or the session ends.
func lock(ctx context.Context, conn *pgx.Conn) (unlock func(), err error) {
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return nil, fmt.Errorf("take the migration lock: %w", err)
	}
	return func() { _, _ = conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", int64(migrationLock)) }, nil
}

// Check returns the database's identity, or why a worker with opts must not use it.
func Check(ctx context.Context, conn *pgx.Conn, opts Options) (Identity, error) {
	have, err := identity(ctx, conn)
	if errors.Is(err, ErrNotMigrated) && opts.ExpectDatabaseID != "" {
		return have, fmt.Errorf("%w: expected %s, found a database without a Myelin schema", ErrIdentityChanged, opts.ExpectDatabaseID)
	}
	if err != nil {
		return have, err
	}
	if err := have.match(opts); err != nil {
		return have, err
	}
	if err := have.admits(opts, Version()); err != nil {
		return have, err
	}
	return have, have.upToDate(Version())
}

func (i Identity) upToDate(version int) error {
	if i.SchemaVersion < version {
		return fmt.Errorf("%w (it has %d, needs %d)", ErrOutdated, i.SchemaVersion, version)
	}
	return nil
}

func (i Identity) match(opts Options) error {
	if opts.ExpectDatabaseID != "" && i.DatabaseID != opts.ExpectDatabaseID {
		return fmt.Errorf("%w: expected %s, found %s (of %s)", ErrIdentityChanged, opts.ExpectDatabaseID, i.DatabaseID, i.ServerName)
	}
	if opts.ServerName != "" && i.ServerName != opts.ServerName {
		return fmt.Errorf("%w: it is %s's, this homeserver is %s", ErrOtherServer, i.ServerName, opts.ServerName)
	}
	if opts.HomeserverID != "" && i.HomeserverID != opts.HomeserverID {
		return fmt.Errorf("%w: it was claimed by %s, this is %s", ErrOtherHomeserver, i.HomeserverID, opts.HomeserverID)
	}
	return nil
}

func identity(ctx context.Context, conn *pgx.Conn) (Identity, error) {
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('cluster_state') IS NOT NULL").Scan(&exists); err != nil {
		return Identity{}, fmt.Errorf("look for the schema: %w", err)
	}
	if !exists {
		return Identity{}, ErrNotMigrated
	}
	var i Identity
	err := conn.QueryRow(ctx, `SELECT database_id::text, server_name, homeserver_id, generation, schema_version, min_protocol FROM cluster_state`).
		Scan(&i.DatabaseID, &i.ServerName, &i.HomeserverID, &i.Generation, &i.SchemaVersion, &i.MinProtocol)
	if err != nil {
		return Identity{}, fmt.Errorf("read cluster_state: %w", err)
	}
	return i, nil
}

func apply(ctx context.Context, conn *pgx.Conn, m migration, opts Options) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, m.sql); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
		if m.version == 1 {
			if err := seed(ctx, tx, opts); err != nil {
				return fmt.Errorf("migration %s: seed: %w", m.name, err)
			}
		}
		if _, err := tx.Exec(ctx, "UPDATE cluster_state SET schema_version = $1", m.version); err != nil {
			return fmt.Errorf("migration %s: record: %w", m.name, err)
		}
		return nil
	})
}

func seed(ctx context.Context, tx pgx.Tx, opts Options) error {
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO cluster_state (server_name, homeserver_id, timeline, system_id, min_protocol)
		SELECT $1, $2, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), system_identifier, greatest(1, $3::integer) FROM pg_control_system()`,
		opts.ServerName, opts.HomeserverID, opts.Beside)
	batch.Queue(`INSERT INTO shard_lease (space, shard_id) SELECT 'room', generate_series(0, $1 - 1)`, opts.Shards)
	batch.Queue(`INSERT INTO slot_shard (slot, shard_id) SELECT s, s * $1 / $2 FROM generate_series(0, $2 - 1) s`, opts.Shards, Slots)
	batch.Queue(`SELECT request_dedupe_rotate()`)
	return tx.SendBatch(ctx, batch).Close()
}
