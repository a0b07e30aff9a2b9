package persister

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/postgres"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	server := func(severity, code, detail, table string) error {
		return fmt.Errorf("commit: %w", &pgconn.PgError{Severity: severity, SeverityUnlocalized: severity, Code: code, Detail: detail, TableName: table})
	}
	tests := map[string]struct {
		err  error
		want verdict
	}{
		"no error":                         {nil, committed},
		"never sent":                       {fmt.Errorf("%w: %w", errNotSent, io.EOF), notWritten},
		"another database":                 {fmt.Errorf("%w: %w", errNotSent, postgres.ErrOtherDatabase), foreign},
		"leases lost":                      {server("ERROR", "MX001", "3,17", ""), lost},
		"another generation":               {server("ERROR", "MX002", "", ""), stale},
		"a barrier is due":                 {server("ERROR", "MX003", "", ""), notWritten},
		"a key that is there":              {server("ERROR", "23505", "", "request_dedupe_20000"), repeated},
		"any other unique violation":       {server("ERROR", "23505", "", "event_03"), poisoned},
		"bad data":                         {server("ERROR", "22021", "", ""), poisoned},
		"a row too large for an index":     {server("ERROR", "54000", "", ""), poisoned},
		"a lock that took too long":        {server("ERROR", "55P03", "", ""), contended},
		"a statement that took too long":   {server("ERROR", "57014", "", ""), contended},
		"a deadlock":                       {server("ERROR", "40P01", "", ""), notWritten},
		"a serialization failure":          {server("ERROR", "40001", "", ""), notWritten},
		"a standby":                        {server("ERROR", "25006", "", ""), notWritten},
		"a forgotten statement":            {server("ERROR", "26000", "", ""), notWritten},
		"a full disk":                      {server("ERROR", "53100", "", ""), notWritten},
		"a corrupt row":                    {server("ERROR", "XX001", "", ""), poisoned},
		"starting up, at connecting":       {fmt.Errorf("%w: %w", errNotSent, server("FATAL", "57P03", "", "")), notWritten},
		"too many connections":             {fmt.Errorf("%w: %w", errNotSent, server("FATAL", "53300", "", "")), notWritten},
		"starting up, in between":          {server("FATAL", "57P03", "", ""), unknown},
		"a crash of another session":       {server("WARNING", "57P02", "", ""), unknown},
		"a shutdown told by a pooler":      {server("ERROR", "57P01", "", ""), unknown},
		"a pooler that lost the server":    {&pgconn.PgError{Severity: "ERROR", Code: "XX000"}, unknown},
		"a connection failure":             {server("ERROR", "08006", "", ""), unknown},
		"a system error":                   {server("ERROR", "58000", "", ""), unknown},
		"COMMIT of unknown completion":     {server("ERROR", "40003", "", ""), unknown},
		"terminated, perhaps after COMMIT": {server("FATAL", "57P01", "", ""), unknown},
		"a crash":                          {server("PANIC", "XX000", "", ""), unknown},
		"the connection broke":             {io.ErrUnexpectedEOF, unknown},
		"time ran out":                     {context.DeadlineExceeded, unknown},
		"an ERROR, then the connection":    {errors.Join(server("ERROR", "22021", "", ""), io.EOF), poisoned},
		"answers, then the connection":     {errors.Join(nil, io.EOF), unknown},
	}
	for name, tt := range tests {
		require.Equal(t, tt.want, judge(tt.err).verdict, name)
	}
	require.Equal(t, []int{3, 17}, judge(server("ERROR", "MX001", "3,17", "")).lost)
}

// A connection that breaks at COMMIT says nothing about the outcome: it is looked up, and the answer is the truth.
func TestUnknownOutcomeIsLookedUp(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]cut{"not committed": beforeCommit, "committed": afterCommit, "still committing": duringCommit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newDatabase(t)
			cutter, uri := newProxy(t, db.uri)
			leases := db.join(t)
			p := db.start(t, leases, func(o *Options) { o.Source = postgres.At(uri) })
			room := p.newRoom(t)
			before, _ := leases.OwnLease(leases.ShardOf(room))

			cutter.arm(mode)
			got := p.send(t, room, alice, "one")
			require.Equal(t, 200, got.status, got.body)
			<-cutter.wasCut
			require.Equal(t, []string{got.text("event_id")},
				db.rows(t, "SELECT event_id FROM event WHERE room_id = $1 AND type = 'm.room.message'", string(room)))
			after, ok := leases.OwnLease(leases.ShardOf(room))
			require.True(t, ok)
			require.Equal(t, before+1, after, "the epoch is raised before anybody looks")
			require.Equal(t, 200, p.send(t, room, alice, "two").status)
		})
	}
}

// The mistake would be to look before the late commit is impossible, find nothing, and write again. The write has no
// deduplication key, which would hide the mistake.
func TestUnknownOutcomeWaitsForTheLateCommit(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	cutter, uri := newProxy(t, db.uri)
	p := db.start(t, db.join(t), func(o *Options) { o.Source = postgres.At(uri) })
	room := p.newRoom(t)

	require.Equal(t, 200, p.put(t, alice, "/rooms/"+string(room)+"/state/m.room.topic/", `{"topic":"first"}`).status)
	release := db.hold(t, "SELECT FROM current_state WHERE type = 'm.room.topic' FOR UPDATE")
	waiting := "SELECT count(*) >= $1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	cutter.sent = func() { db.await(t, waiting, 1) }
	cutter.arm(duringCommit)
	replies := make(chan reply, 1)
	go func() {
		replies <- p.call(t.Context(), alice, "", "PUT", "/_matrix/client/v3/rooms/"+string(room)+"/state/m.room.topic/", `{"topic":"late"}`)
	}()
	<-cutter.wasCut
	db.await(t, waiting, 2)
	require.Empty(t, replies, "answered while the outcome was open")
	release()
	got := <-replies
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, []string{got.text("event_id")},
		db.rows(t, "SELECT event_id FROM event WHERE room_id = $1 AND type = 'm.room.topic' ORDER BY position OFFSET 1", string(room)))
}

// An old primary that was demoted answers on, read-only. Its name, or the address asked next, may lead to the new one.
func TestALaneLeavesAServerThatBecameReadOnly(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	metrics := prometheus.NewRegistry()
	p := db.start(t, db.join(t), func(o *Options) { o.Lanes, o.Registerer = 1, metrics })
	room := p.newRoom(t)
	db.fillPool(t) // what the pool connects to stays writable
	name := db.rows(t, "SELECT quote_ident(current_database())::text")[0]
	db.exec(t, "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
	db.exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", lease.ApplicationName(p.leases.worker))
	replies := make(chan reply, 1)
	go func() { replies <- p.send(t, room, alice, "one") }()
	require.Eventually(t, func() bool { return failures(t, metrics, notWritten) >= 3 }, soon, time.Millisecond)
	require.Empty(t, replies)
	db.exec(t, "ALTER DATABASE "+name+" RESET default_transaction_read_only")
	select {
	case got := <-replies:
		require.Equal(t, 200, got.status, got.body)
	case <-time.After(soon):
		require.Fail(t, "the lane stays with a server that takes no writes")
	}
	require.Equal(t, 1, messages(t, db, room))
}

// fillPool makes the pool open all of its connections.
func (d *database) fillPool(t *testing.T) {
	t.Helper()
	for range d.pool.Config().MaxConns {
		conn, err := d.pool.Acquire(t.Context())
		require.NoError(t, err)
		defer conn.Release()
	}
}

// failures returns how many blocks came to this at first.
func failures(t *testing.T, metrics *prometheus.Registry, v verdict) (n float64) {
	t.Helper()
	families, err := metrics.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "myelin_persister_failed_blocks_total" && m.GetLabel()[0].GetValue() == v.String() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}
