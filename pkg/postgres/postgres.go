// Package postgres opens connections to the homeserver's database: pools for reads, and direct sessions for what must
// not go through a pooler (lanes, announcer, leases, migrations).
//
// A URI may name several hosts, of which one is the primary: postgres://user:password@a,b/database. Each connection is
// checked when it is made: it leads to a primary, and to the database that it should. A primary that turns into a standby
// loses its connections with the first write that it refuses, a host that vanishes within 3 s (package network).
package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/network"
)

const (
	// connectTimeout bounds one connection attempt to one host, dialTimeout its first part.
	connectTimeout = 3 * time.Second
	dialTimeout    = 1500 * time.Millisecond
	// pingTimeout bounds the question to a connection that was idle whether it still works.
	pingTimeout = time.Second
)

// Options of a pool or a session.
type Options struct {
	MaxConns        int32  // of a pool; default 4
	ApplicationName string // shown in pg_stat_activity; a takeover finds a worker's backends by it
	// DatabaseID, if set, is the only database that is connected to; any other is ErrOtherDatabase.
	DatabaseID string
	// Pooled says that the URI leads to a pooler that gives each transaction any session: nothing is prepared, and the
	// session's settings are the pooler's affair.
	Pooled bool
}

// sessionDefaults bound what a session whose client has gone can hold on to.
var sessionDefaults = map[string]string{
	"lock_timeout":                        "5s",
	"idle_in_transaction_session_timeout": "5s",
	"statement_timeout":                   "30s",
	"client_connection_check_interval":    "1s",
	"tcp_keepalives_idle":                 "3",
	"tcp_keepalives_interval":             "1",
	"tcp_keepalives_count":                "3",
	"default_transaction_isolation":       "read committed",
	"plan_cache_mode":                     "auto",
	"jit":                                 "off", // every statement is short: compiling block_begin took ten times its run
}

func prepare(cfg *pgx.ConnConfig, opts Options) {
	cfg.ConnectTimeout = connectTimeout
	cfg.DialFunc = network.Dialer(dialTimeout).DialContext
	cfg.ValidateConnect = validate(cfg.ValidateConnect, opts.DatabaseID)
	cfg.OnPgError = dropsDemoted(cfg.OnPgError)
	defaults := maps.Clone(sessionDefaults)
	if opts.Pooled {
		clear(defaults)
		cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if opts.ApplicationName != "" {
		cfg.RuntimeParams["application_name"] = opts.ApplicationName
	}
	for k, v := range defaults {
		if _, set := cfg.RuntimeParams[k]; !set {
			cfg.RuntimeParams[k] = v
		}
	}
}

// Open makes a pool at a URI that stays what it is; see [Source.Open].
func Open(ctx context.Context, uri string, opts Options) (*pgxpool.Pool, error) {
	return At(uri).Open(ctx, opts)
}

// Connect opens one direct session, to whatever database is there.
func Connect(ctx context.Context, uri, appName string) (*pgx.Conn, error) {
	return Session(ctx, uri, Options{ApplicationName: appName})
}

// Session opens one direct session.
func Session(ctx context.Context, uri string, opts Options) (*pgx.Conn, error) {
	return At(uri).Session(ctx, opts)
}

// redact keeps a URI, which holds a password, out of an error's text.
func redact(err error, uri string) error {
	if strings.Contains(err.Error(), uri) || errors.As(err, new(*pgconn.ParseConfigError)) {
		return errors.New("parse the Postgres URI: it is not of the form postgres://user:password@host:port/database")
	}
	return fmt.Errorf("parse the Postgres URI: %w", err)
}

// Code is err's SQLSTATE, or "" when the server did not send one.
func Code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
