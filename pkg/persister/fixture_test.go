package persister

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/shard"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const (
	alice = id.UserID("@alice:" + pgtest.ServerName)
	bob   = id.UserID("@bob:" + pgtest.ServerName)
	carol = id.UserID("@carol:" + pgtest.ServerName)
)

// testKey signs in the name of the test server.
type testKey struct{ private ed25519.PrivateKey }

var signer = testKey{ed25519.NewKeyFromSeed([]byte("an event persister test's seed 1"))}

func (testKey) ServerName() id.ServerName    { return pgtest.ServerName }
func (testKey) KeyID() string                { return "ed25519:t" }
func (k testKey) Sign(message []byte) []byte { return ed25519.Sign(k.private, message) }

// database is a migrated database with users.
type database struct {
	uri  string
	pool *pgxpool.Pool
	id   string
}

func newDatabase(t testing.TB) *database {
	t.Helper()
	return databaseAt(t, pgtest.New(t))
}

func databaseAt(t testing.TB, uri string) *database {
	t.Helper()
	d := &database{uri: uri}
	pool, err := postgres.Open(t.Context(), d.uri, postgres.Options{MaxConns: 8})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	d.pool = pool
	for _, u := range []id.UserID{alice, bob, carol} {
		d.exec(t, "INSERT INTO account (user_id, password_hash) VALUES ($1, '')", string(u))
	}
	d.exec(t, "INSERT INTO profile (user_id, displayname) VALUES ($1, 'Bob'), ($2, 'Alice')", string(bob), string(alice))
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT database_id::text FROM cluster_state").Scan(&d.id))
	return d
}

func (d *database) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := d.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (d *database) count(t testing.TB, sql string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, d.pool.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

// rows returns a query's single text column.
func (d *database) rows(t testing.TB, sql string, args ...any) []string {
	t.Helper()
	rows, err := d.pool.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return all
}

// block makes every block wait within its transaction, after the fence, until release.
func (d *database) block(t testing.TB) (release func()) {
	t.Helper()
	return d.hold(t, "LOCK TABLE request_dedupe IN EXCLUSIVE MODE")
}

// hold takes a lock until release.
func (d *database) hold(t testing.TB, lock string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.uri)
	require.NoError(t, err)
	release = sync.OnceFunc(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	t.Cleanup(release)
	_, err = conn.Exec(t.Context(), "BEGIN; "+lock)
	require.NoError(t, err)
	return release
}

// awaitBlocked waits until a block does.
func (d *database) awaitBlocked(t testing.TB) {
	t.Helper()
	d.await(t, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'request_dedupe'::regclass")
}

// leases are a worker's leases as rows of the database, and what the worker believes of them.
type leases struct {
	db     *database
	worker int64

	mu         sync.Mutex
	epochs     map[int]int64
	generation int64
	moved      map[id.RoomID]int // rooms that another shard has got
	blind      bool              // Refresh learns nothing
	// verified counts calls of Verify.
	verified int
}

// join makes a worker that has taken all shards.
func (d *database) join(t testing.TB) *leases {
	t.Helper()
	l := &leases{db: d}
	require.NoError(t, d.pool.QueryRow(t.Context(), `INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
		VALUES ('p', '127.0.0.1:' || (1000 + random() * 1000)::int, 'p', '{persister}', 1, 1, now() + '1 hour') RETURNING worker_id`).Scan(&l.worker))
	d.exec(t, "UPDATE shard_lease SET owner = $1, epoch = epoch + 1, claimed = true", l.worker)
	require.NoError(t, l.Refresh(t.Context()))
	return l
}

func (l *leases) ID() int64 { return l.worker }

func (l *leases) ShardOf(room id.RoomID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := l.moved[room]; ok {
		return s
	}
	return shard.Slot(room) * 64 / shard.Slots
}

func (l *leases) Generation() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.generation
}

func (l *leases) OwnLease(s int) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	epoch, ok := l.epochs[s]
	return epoch, ok
}

func (l *leases) Verify(ctx context.Context, s int, epoch int64) (ok bool, err error) {
	l.mu.Lock()
	l.verified++
	l.mu.Unlock()
	err = l.db.pool.QueryRow(ctx, "SELECT coalesce(owner = $1, false) AND epoch = $2 FROM shard_lease WHERE space = 'room' AND shard_id = $3",
		l.worker, epoch, s).Scan(&ok)
	return ok, err
}

func (l *leases) Refresh(ctx context.Context) error {
	rows, err := l.db.pool.Query(ctx, "SELECT shard_id, epoch FROM shard_lease WHERE space = 'room' AND owner = $1", l.worker)
	if err != nil {
		return err
	}
	epochs := make(map[int]int64)
	var s int
	var epoch int64
	if _, err := pgx.ForEachRow(rows, []any{&s, &epoch}, func() error { epochs[s] = epoch; return nil }); err != nil {
		return err
	}
	var generation int64
	if err := l.db.pool.QueryRow(ctx, "SELECT generation FROM cluster_state").Scan(&generation); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.blind {
		l.epochs, l.generation = epochs, max(l.generation, generation)
	}
	return nil
}

func (l *leases) Raise(ctx context.Context, shards map[int]int64) (map[int]int64, error) {
	raised := make(map[int]int64)
	for s, epoch := range shards {
		_, err := l.db.pool.Exec(ctx, `UPDATE shard_lease SET epoch = epoch + 1
			WHERE space = 'room' AND shard_id = $1 AND owner = $2 AND epoch = $3`, s, l.worker, epoch)
		if err != nil {
			return nil, err
		}
		raised[s] = epoch + 1
	}
	return raised, l.Refresh(ctx)
}

func (l *leases) OwnerOf(s int) Owner {
	o := Owner{Addr: "127.0.0.1:1"}
	_ = l.db.pool.QueryRow(context.Background(), "SELECT coalesce(owner, 0), epoch FROM shard_lease WHERE space = 'room' AND shard_id = $1", s).
		Scan(&o.Worker, &o.Epoch)
	return o
}

// believe makes the worker blind to what becomes of its leases.
func (l *leases) believe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blind = true
}

// herald that records.
type recorder struct {
	mu    sync.Mutex
	rooms []bus.RoomBlock
	users []bus.UserBlock
	seen  func(bus.RoomBlock)
	pokes chan struct{}
}

func newRecorder() *recorder { return &recorder{pokes: make(chan struct{}, 10_000)} }

func (r *recorder) PublishBlock(_ context.Context, rooms []bus.RoomBlock, users []bus.UserBlock, poke bool) error {
	if r.seen != nil {
		for _, b := range rooms {
			r.seen(b)
		}
	}
	r.mu.Lock()
	r.rooms, r.users = append(r.rooms, rooms...), append(r.users, users...)
	r.mu.Unlock()
	if poke {
		r.pokes <- struct{}{}
	}
	return nil
}

// testPersister is a running persister.
type testPersister struct {
	*Persister
	db      *database
	leases  *leases
	bus     *recorder
	handler http.Handler
	stop    func() error
}

func (d *database) start(t testing.TB, l *leases, change func(*Options)) *testPersister {
	t.Helper()
	p := d.build(t, l, change)
	p.run(t)
	return p
}

// build makes one that does not run yet.
func (d *database) build(t testing.TB, l *leases, change func(*Options)) *testPersister {
	t.Helper()
	p := &testPersister{db: d, leases: l, bus: newRecorder()}
	opts := Options{
		Source: postgres.At(d.uri), Pool: d.pool, DatabaseID: d.id, ServerName: pgtest.ServerName, Signer: signer,
		Leases: l, Publisher: p.bus, Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil)),
	}
	if change != nil {
		change(&opts)
	}
	var err error
	p.Persister, err = New(opts)
	require.NoError(t, err)
	p.handler = p.Handler()
	return p
}

func (p *testPersister) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	p.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = p.stop() })
}

func newPersister(t testing.TB) *testPersister {
	t.Helper()
	d := newDatabase(t)
	return d.start(t, d.join(t), nil)
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Log(strings.TrimSpace(string(b)))
	}
	return len(b), nil
}

// A reply is a response that was read.
type reply struct {
	status int
	header http.Header
	body   map[string]any
}

func (r reply) text(key string) string { s, _ := r.body[key].(string); return s }

// call makes a request as a user's device, with a request id of its own for what has no transaction id.
func (p *testPersister) call(ctx context.Context, user id.UserID, request, method, path string, body any) reply {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		reader = strings.NewReader(string(raw))
	}
	r := httptest.NewRequest(method, path, reader).WithContext(internalauth.WithIdentity(ctx,
		internalauth.Identity{UserID: user, DeviceID: "DEV", RequestID: request}))
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	got := reply{status: w.Code, header: w.Header()}
	_ = json.Unmarshal(w.Body.Bytes(), &got.body)
	return got
}

var requests struct {
	sync.Mutex
	n int
}

func nextRequest() string {
	requests.Lock()
	defer requests.Unlock()
	requests.n++
	return fmt.Sprintf("r%d", requests.n)
}

func (p *testPersister) post(t testing.TB, user id.UserID, path string, body any) reply {
	t.Helper()
	return p.call(t.Context(), user, nextRequest(), "POST", "/_matrix/client/v3"+path, body)
}

func (p *testPersister) put(t testing.TB, user id.UserID, path string, body any) reply {
	t.Helper()
	return p.call(t.Context(), user, nextRequest(), "PUT", "/_matrix/client/v3"+path, body)
}

// send sends a message and returns the reply.
func (p *testPersister) send(t testing.TB, room id.RoomID, user id.UserID, txn string) reply {
	t.Helper()
	return p.put(t, user, "/rooms/"+string(room)+"/send/m.room.message/"+txn, map[string]any{"msgtype": "m.text", "body": txn})
}

const soon = time.Minute
