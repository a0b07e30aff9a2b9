// Package pgtest gives tests a real Postgres: one server a test binary, one fresh database a test.
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//	func TestX(t *testing.T)    { uri := pgtest.New(t) … }
//
// It serves `make dev` too, by Start: a server in a temporary directory.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/schema"
)

// ServerName is the Matrix server name of the databases that New makes.
const ServerName = "test.example"

var shared struct {
	once   sync.Once
	server *Server
	dir    string
	err    error
}

var databases atomic.Int64

// Main runs m's tests and stops the server that they used, if any.
func Main(m *testing.M) int {
	defer func() {
		if shared.server != nil {
			_ = shared.server.Stop()
		}
		if shared.dir != "" {
			_ = os.RemoveAll(shared.dir)
		}
	}()
	return m.Run()
}

// New returns the URI of a migrated database of its own, with 64 shards and no worker, dropped when the test ends.
func New(t testing.TB) string {
	t.Helper()
	return create(t, "myelin_template")
}

// NewEmpty returns the URI of a database without a schema.
func NewEmpty(t testing.TB) string {
	t.Helper()
	return create(t, "template0")
}

// Shared is the server of this test binary, for tests that break it; they do not run in parallel with others.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() { shared.err = start() })
	require.NoError(t, shared.err)
	return shared.server
}

func create(t testing.TB, template string) string {
	t.Helper()
	server := Shared(t)
	name := fmt.Sprintf("t%d", databases.Add(1))
	admin(t, server, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, template))
	t.Cleanup(func() { admin(t, server, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)) })
	return server.URI(name)
}

// adminLock: CREATE DATABASE refuses to copy a template that another session is copying.
var adminLock sync.Mutex

func admin(t testing.TB, s *Server, sql string) {
	t.Helper()
	adminLock.Lock()
	defer adminLock.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URI("postgres"))
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	require.NoError(t, err)
}

func start() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "myelin-pgtest-")
	if err != nil {
		return err
	}
	shared.dir = dir
	server, err := Start(ctx, dir, "fsync=off", "full_page_writes=off", "max_connections=400", "shared_buffers=64MB")
	if err != nil {
		return err
	}
	shared.server = server
	conn, err := pgx.Connect(ctx, server.URI("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE DATABASE myelin_template"); err != nil {
		return err
	}
	template, err := pgx.Connect(ctx, server.URI("myelin_template"))
	if err != nil {
		return err
	}
	defer template.Close(ctx)
	_, err = schema.Migrate(ctx, template, schema.Options{ServerName: ServerName})
	return err
}
