package main

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/test/e2e/history"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/figures"
)

// openTable connects to the homeserver's database from the host: by MYELIN_POSTGRES_URI, which the cluster tool gives,
// or as the workers do, but by the Service's address, since the host knows no names of the cluster.
func (t *tour) openTable(ctx context.Context) (*pgx.Conn, error) {
	if uri := os.Getenv("MYELIN_POSTGRES_URI"); uri != "" {
		return pgx.Connect(ctx, uri)
	}
	uri, err := t.kube.Secret(ctx, "myelin-postgres", "uri")
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(uri)
	if err != nil {
		return nil, fmt.Errorf("parse the database's URI: %w", err)
	}
	address, err := t.kube.Address(ctx, "postgres")
	if err != nil {
		return nil, err
	}
	u.Host = address + ":" + u.Port()
	return pgx.Connect(ctx, u.String())
}

// judge compares what was sent, what was seen and what is stored.
func (t *tour) judge(ctx context.Context, l *load.Load, db *pgx.Conn) ([]figures.Row, error) {
	rows, err := db.Query(ctx, `
		SELECT room_id, event_id, position, convert_from(json, 'UTF8')::jsonb #>> '{content,body}', shard_id, owner, epoch
		FROM event WHERE room_id = ANY ($1) AND type = 'm.room.message'`, l.Rooms())
	if err != nil {
		return nil, err
	}
	stored, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (history.Stored, error) {
		var s history.Stored
		return s, row.Scan(&s.Room, &s.EventID, &s.Position, &s.Key, &s.Shard, &s.Owner, &s.Epoch)
	})
	if err != nil {
		return nil, err
	}
	l.History.Stored(stored)
	v := l.History.Check()
	sent, seen, inTable := l.History.Counts()
	t.say("%d messages sent, %d stored, %d deliveries", sent, inTable, seen)
	for _, list := range v.Lists() {
		for _, s := range list.Sentences[:min(len(list.Sentences), 10)] {
			t.say("  %s: %s", list.Name, s)
		}
	}
	return []figures.Row{
		figures.AtMost("events.lost", "events", float64(len(v.Lost)+len(v.Skipped)+len(v.Invented)), 0),
		figures.AtMost("events.duplicated", "events", float64(len(v.Duplicated)+len(v.Repeated)), 0),
		figures.AtMost("events.reordered", "events", float64(len(v.Reordered)+len(v.Unfenced)), 0),
	}, nil
}
