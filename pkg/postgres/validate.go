package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

var (
	// ErrOtherDatabase is why a connection is refused whose database is not the one that it should lead to: the name of
	// the host has come to mean another server.
	ErrOtherDatabase = errors.New("the database is not the one that this worker started with")
	// errStandby is why a host is passed over.
	errStandby = errors.New("the server is a standby")
)

// validate looks at a connection that was just made, in one round trip; the next host of the URI is tried if it will not
// do. If the URI asks for something itself (target_session_attrs), that is asked for instead of a primary.
func validate(asked pgconn.ValidateConnectFunc, databaseID string) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		if asked != nil {
			if err := asked(ctx, conn); err != nil {
				return err
			}
		}
		if asked != nil && databaseID == "" {
			return nil
		}
		sql := "SELECT pg_is_in_recovery(), ''"
		if databaseID != "" {
			sql = "SELECT pg_is_in_recovery(), (SELECT database_id FROM cluster_state)"
		}
		results, err := conn.Exec(ctx, sql).ReadAll()
		if Code(err) == undefinedTable {
			return fmt.Errorf("%w: it has no Myelin schema", ErrOtherDatabase)
		}
		if err != nil {
			return fmt.Errorf("look where a connection leads: %w", err)
		}
		row := results[0].Rows[0]
		if asked == nil && string(row[0]) == "t" {
			return errStandby
		}
		if databaseID != "" && string(row[1]) != databaseID {
			return ErrOtherDatabase
		}
		return nil
	}
}

// SQLSTATEs.
const (
	undefinedTable = "42P01"
	readOnly       = "25006" // a write to a server that is a standby, or lets nobody write
)

// dropsDemoted ends a connection when its server turns out to let nobody write (any more), as a demoted primary does that
// is reached through a pooler or a balancer: the next connection leads to the new one.
func dropsDemoted(before pgconn.PgErrorHandler) pgconn.PgErrorHandler {
	return func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		return err.Code != readOnly && (before == nil || before(conn, err))
	}
}
