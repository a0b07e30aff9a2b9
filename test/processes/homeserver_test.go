package processes_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/bus/redistest"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/test/processes"
)

// binary is the worker, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "myelin-processes-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if binary, err = processes.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return pgtest.Main(m)
}

// A homeserver is a database, a Redis and worker processes.
type homeserver struct {
	*processes.Homeserver
	t     *testing.T
	redis *redistest.Server
}

// A worker is one process at a time.
type worker struct{ *processes.Worker }

func newHomeserver(t *testing.T) *homeserver {
	t.Helper()
	h, err := processes.New(binary, t.TempDir(), pgtest.ServerName)
	require.NoError(t, err)
	redis := redistest.Start(t)
	h.PostgresURI, h.RedisURI = pgtest.New(t), redis.URI()
	h.Log = func(name string) io.Writer {
		log := &logWriter{t: t, name: name}
		t.Cleanup(log.close)
		return log
	}
	return &homeserver{h, t, redis}
}

// start starts a worker with the roles and waits until it is ready.
func (h *homeserver) start(roles string) *worker {
	h.t.Helper()
	p, err := h.Prepare(roles)
	require.NoError(h.t, err)
	w := &worker{p}
	h.run(w)
	w.awaitReady(h.t)
	return w
}

// run starts a process for w: the first, or the next one after a crash, with the pod's name and addresses.
func (h *homeserver) run(w *worker) {
	h.t.Helper()
	require.NoError(h.t, h.Run(w.Worker))
	h.t.Cleanup(w.Kill)
}

func (w *worker) awaitReady(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, w.AwaitReady(ctx))
}

// terminate tells the process to stop and waits until it has.
func (w *worker) terminate(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	require.NoError(t, w.Terminate(ctx))
}

// status asks a worker for the state of the data plane.
func (w *worker) status(t *testing.T) admin.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := w.Admin().Status(ctx)
	require.NoError(t, err)
	return s
}

// settle waits until the shards are spread over the persisters.
func (h *homeserver) settle(via *worker, persisters ...*worker) {
	h.t.Helper()
	var over []*processes.Worker
	for _, p := range persisters {
		over = append(over, p.Worker)
	}
	require.Eventually(h.t, func() bool { return processes.Spread(via.status(h.t), over...) }, time.Minute, 50*time.Millisecond,
		"the shards are not spread")
}

// logWriter passes a process's output to the test's log, until the test ends.
type logWriter struct {
	mu   sync.Mutex
	t    *testing.T
	name string
	done bool
}

func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.done {
		for line := range strings.SplitSeq(strings.TrimRight(string(p), "\n"), "\n") {
			l.t.Logf("%s: %s", l.name, line)
		}
	}
	return len(p), nil
}

func (l *logWriter) close() { l.mu.Lock(); l.done = true; l.mu.Unlock() }
