package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/test/chaos/proxy"
)

// A Database is a Postgres of a scenario's own behind one address, which may come to lead to another server, as that of
// an operator's primary does.
type Database struct {
	Server *pgtest.Server
	Line   *proxy.Proxy // what everybody connects to
	run    *Run
}

// durable are the settings of a server whose figures count; it may crash.
var durable = []string{"max_connections=300", "log_min_messages=fatal"}

// ownDatabase starts a server, with the machine's clock if clock is nil, and makes it the homeserver's.
func (r *Run) ownDatabase(ctx context.Context, clock *pgtest.Clock) (*Database, error) {
	s, err := pgtest.StartUnder(ctx, clock, filepath.Join(r.Dir(), "postgres"), durable...)
	if err != nil {
		return nil, err
	}
	r.OnClose(func() { _ = s.Stop() })
	line, err := proxy.ListenPostgres(s.Addr())
	if err != nil {
		return nil, err
	}
	r.OnClose(line.Close)
	d := &Database{Server: s, Line: line, run: r}
	return d, r.Migrate(ctx, d.URI(), 0)
}

// URI leads through the line.
func (d *Database) URI() string {
	return "postgres://postgres@" + d.Line.Addr() + "/postgres?sslmode=disable"
}

// Standby starts a standby, and returns it with the line by which it gets the log.
func (d *Database) Standby(ctx context.Context) (*pgtest.Server, *proxy.Proxy, error) {
	log, err := proxy.Listen(d.Server.Addr())
	if err != nil {
		return nil, nil, err
	}
	d.run.OnClose(log.Close)
	s, err := d.Server.Standby(ctx, filepath.Join(d.run.Dir(), "standby"), log.Addr(), durable...)
	if err != nil {
		return nil, nil, fmt.Errorf("start a standby: %w", err)
	}
	d.run.OnClose(func() { _ = s.Stop() })
	return s, log, nil
}

// events lists the ids of all events that a server has.
func events(ctx context.Context, s *pgtest.Server) (map[string]bool, error) {
	conn, err := pgx.Connect(ctx, s.URI("postgres"))
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `SELECT event_id FROM event`)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	var id string
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { all[id] = true; return nil })
	return all, err
}

// host is the host:port of a URI.
func host(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", fmt.Errorf("read a URI: %w", err)
	}
	return u.Host, nil
}
