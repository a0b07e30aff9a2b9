// Package postgres opens connections to the homeserver's database: pools for reads, and direct sessions for what must
// not go through a pooler (lanes, announcer, migrations).
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connectTimeout bounds one connection attempt.
const connectTimeout = 5 * time.Second

// Options of a pool.
type Options struct {
	MaxConns        int32  // default 4
	ApplicationName string // shown in pg_stat_activity; a takeover finds a worker's backends by it
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

func prepare(cfg *pgx.ConnConfig, appName string) {
	cfg.ConnectTimeout = connectTimeout
	if appName != "" {
		cfg.RuntimeParams["application_name"] = appName
	}
	for k, v := range sessionDefaults {
		if _, set := cfg.RuntimeParams[k]; !set {
			cfg.RuntimeParams[k] = v
		}
	}
}

// Open makes a pool. It connects lazily: an unreachable database is an error of the first query, not of Open.
func Open(ctx context.Context, uri string, opts Options) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(uri)
	if err != nil {
		return nil, redact(err, uri)
	}
	prepare(cfg.ConnConfig, opts.ApplicationName)
	cfg.MaxConns = 4
	if opts.MaxConns > 0 {
		cfg.MaxConns = opts.MaxConns
	}
	cfg.MinConns = 0
	cfg.MaxConnIdleTime = time.Minute
	return pgxpool.NewWithConfig(ctx, cfg)
}

// Connect opens one direct session.
func Connect(ctx context.Context, uri, appName string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(uri)
	if err != nil {
		return nil, redact(err, uri)
	}
	prepare(cfg, appName)
	return pgx.ConnectConfig(ctx, cfg)
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
