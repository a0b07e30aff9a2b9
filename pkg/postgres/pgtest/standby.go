package pgtest

import (
	"context"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5"
)

// Standby starts a streaming standby of s below dir. It gets its log by way of from, host:port, which may be a proxy to s.
// It is called by the name that Synchronous waits for.
func (s *Server) Standby(ctx context.Context, dir, from string, settings ...string) (*Server, error) {
	host, port, err := net.SplitHostPort(from)
	if err != nil {
		return nil, err
	}
	settings = append(settings, "hot_standby=on", "wal_retrieve_retry_interval=100ms",
		fmt.Sprintf("primary_conninfo=host=%s port=%s user=postgres application_name=%s", host, port, standbyName))
	standby, err := place(dir, settings)
	if err != nil {
		return nil, err
	}
	if err := standby.tool(ctx, "pg_basebackup", "-d", s.URI("postgres"), "-D", standby.data(), "-X", "stream", "-c", "fast", "-R", "--no-sync"); err != nil {
		return nil, err
	}
	return standby, standby.Restart(ctx)
}

const standbyName = "standby"

// Synchronous lets commits wait until the standby has them, or not any more.
func (s *Server) Synchronous(ctx context.Context, wait bool) error {
	names := ""
	if wait {
		names = standbyName
	}
	return s.exec(ctx, fmt.Sprintf("ALTER SYSTEM SET synchronous_standby_names = '%s'", names), "SELECT pg_reload_conf()")
}

// Promote makes a standby a primary, of a new timeline.
func (s *Server) Promote(ctx context.Context) error {
	return s.tool(ctx, "pg_ctl", "promote", "-D", s.data(), "-w", "-s")
}

func (s *Server) exec(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, s.URI("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
