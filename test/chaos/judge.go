package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/test/e2e/history"
)

// linearizeLimit bounds the search for an order that explains a scenario's history.
const linearizeLimit = 20 * time.Second

// A verdict is what is wrong with a scenario's history: sentences by kind, in a fixed order.
type verdict struct {
	history.Verdict
	other  []string // of invariants that clients do not see
	linear history.Linearization
}

func (v verdict) ok() bool { return v.OK() && len(v.other) == 0 && v.linear.OK }

// sentences are the first of each kind.
func (v verdict) sentences() []string {
	var all []string
	for _, l := range v.Lists() {
		all = append(all, few(l.Name, l.Sentences)...)
	}
	all = append(all, few("invariant", v.other)...)
	switch {
	case v.linear.Unknown:
		all = append(all, fmt.Sprintf("no order that explains the history was found within %s", linearizeLimit))
	case !v.linear.OK:
		all = append(all, "no order of writes and reads explains the history")
	}
	return all
}

func few(kind string, sentences []string) []string {
	const most = 5
	var all []string
	for _, s := range sentences[:min(len(sentences), most)] {
		all = append(all, kind+": "+s)
	}
	if len(sentences) > most {
		all = append(all, fmt.Sprintf("%s: and %d more", kind, len(sentences)-most))
	}
	return all
}

// judge compares what clients saw with the table, and the table with the invariants.
func (r *Run) judge(ctx context.Context) (v verdict, err error) {
	r.watch.end()
	conn, err := pgx.Connect(ctx, r.Home.PostgresURI)
	if err != nil {
		return v, fmt.Errorf("read the table: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	stored, err := readTable(ctx, conn, r.Load.Rooms())
	if err != nil {
		return v, fmt.Errorf("read the table: %w", err)
	}
	r.Load.History.Stored(stored)
	v.Verdict = r.Load.History.Check()
	if v.other, err = r.watch.late(ctx, conn); err != nil {
		return v, err
	}
	broken, err := invariants(ctx, conn)
	if err != nil {
		return v, err
	}
	v.other = append(v.other, broken...)
	v.other = append(v.other, r.Load.Refused()...)
	crashes, err := r.crashes()
	v.other = append(v.other, crashes...)
	v.linear = r.Load.History.Linearize(linearizeLimit)
	return v, err
}

// invariants lists what in the table breaks them.
func invariants(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	var broken []string
	for _, query := range []string{brokenEpochs, brokenFences, brokenKeys, brokenOrder} {
		rows, err := conn.Query(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("check an invariant: %w", err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, fmt.Errorf("check an invariant: %w", err)
		}
		broken = append(broken, found...)
	}
	return broken, nil
}

func readTable(ctx context.Context, conn *pgx.Conn, rooms []string) ([]history.Stored, error) {
	rows, err := conn.Query(ctx, `
		SELECT room_id, event_id, position, coalesce(c #>> '{content,body}', c #>> '{content,topic}'), shard_id, owner, epoch
		FROM event, LATERAL (SELECT convert_from(json, 'UTF8')::jsonb AS c) AS parsed
		WHERE room_id = ANY ($1) AND type IN ('m.room.message', 'm.room.topic')`, rooms)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (history.Stored, error) {
		var s history.Stored
		return s, row.Scan(&s.Room, &s.EventID, &s.Position, &s.Key, &s.Shard, &s.Owner, &s.Epoch)
	})
}

// crashes finds workers that ended by a fault of their own.
func (r *Run) crashes() ([]string, error) {
	var found []string
	logs, err := filepath.Glob(filepath.Join(r.dir, "logs", "*.log"))
	if err != nil {
		return nil, err
	}
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(text) {
			for _, mark := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE"} {
				if bytes.HasPrefix(line, []byte(mark)) {
					found = append(found, fmt.Sprintf("%s: %s", filepath.Base(path), strings.TrimSpace(string(line))))
				}
			}
		}
	}
	return found, nil
}
