package processes_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/bus/redistest"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
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
	binary = filepath.Join(dir, "worker")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/myelin-hs/myelin/cmd/worker").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the worker: %v\n%s", err, out)
		return 1
	}
	return pgtest.Main(m)
}

const credential = "a credential for tests of 32 bytes"

// A homeserver is a database, a Redis and the files that its workers need.
type homeserver struct {
	t     *testing.T
	dir   string
	redis *redistest.Server
	n     int

	withoutRedis bool
}

// A worker is one process at a time.
type worker struct {
	name, roles             string
	cmd                     *exec.Cmd
	exited                  chan struct{}
	public, internal, probe string
}

func newHomeserver(t *testing.T) *homeserver {
	t.Helper()
	h := &homeserver{t: t, dir: t.TempDir(), redis: redistest.Start(t)}
	key, err := exec.Command(binary, "generate-signing-key").Output()
	require.NoError(t, err)
	for name, text := range map[string]string{
		"credential": credential, "signing.key": string(key), "postgres-uri": pgtest.New(t), "redis-uri": h.redis.URI(),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600))
	}
	return h
}

func (h *homeserver) file(name string) string { return filepath.Join(h.dir, name) }

// start starts a worker with the roles and waits until it is ready.
func (h *homeserver) start(roles string) *worker {
	h.t.Helper()
	w := h.launch(roles)
	w.awaitReady(h.t)
	return w
}

func (h *homeserver) launch(roles string) *worker {
	h.t.Helper()
	h.n++
	w := &worker{
		name: fmt.Sprintf("%s-%d", strings.ReplaceAll(roles, ",", "-"), h.n), roles: roles,
		public: freeAddr(h.t), internal: freeAddr(h.t), probe: freeAddr(h.t),
	}
	h.run(w)
	return w
}

// run starts a process for w: the first, or the next one after a crash, with the pod's name and addresses.
func (h *homeserver) run(w *worker) {
	h.t.Helper()
	w.cmd = exec.Command(binary, "run", "--roles="+w.roles, "--server-name="+pgtest.ServerName, "--registration=open", "--stop-delay=1s",
		"--pod-name="+w.name, "--public-addr="+w.public, "--internal-addr="+w.internal, "--probe-addr="+w.probe, "--advertise-addr="+w.internal,
		"--postgres-uri-file="+h.file("postgres-uri"),
		"--internal-credential-file="+h.file("credential"), "--signing-key-file="+h.file("signing.key"))
	if !h.withoutRedis {
		w.cmd.Args = append(w.cmd.Args, "--redis-uri-file="+h.file("redis-uri"))
	}
	log := &logWriter{t: h.t, name: w.name}
	w.cmd.Stdout, w.cmd.Stderr = log, log
	w.cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(h.t, w.cmd.Start())
	cmd, exited := w.cmd, make(chan struct{})
	w.exited = exited
	go func() { _ = cmd.Wait(); close(exited) }()
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
		log.close()
	})
}

func (w *worker) awaitReady(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + w.probe + "/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, time.Minute, 20*time.Millisecond, "%s is not ready", w.name)
}

// kill ends the process as a crash does.
func (w *worker) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, w.cmd.Process.Kill())
	<-w.exited
}

// terminate tells the process to stop and waits until it has.
func (w *worker) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, w.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-w.exited:
	case <-time.After(50 * time.Second):
		t.Fatalf("%s did not stop", w.name)
	}
	require.Zero(t, w.cmd.ProcessState.ExitCode(), "%s failed", w.name)
}

// status asks a worker for the state of the data plane.
func (w *worker) status(t *testing.T) admin.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := admin.NewClient("http://"+w.internal, credential, nil).Status(ctx)
	require.NoError(t, err)
	return s
}

// settle waits until the shards are spread over the persisters.
func (h *homeserver) settle(via *worker, persisters ...*worker) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		counts := map[string]int{}
		for _, s := range via.status(h.t).Shards {
			if !s.Claimed || s.Target != 0 {
				return false
			}
			counts[s.OwnerPod]++
		}
		for _, p := range persisters {
			if n := counts[p.name]; n < 64/len(persisters) || n > 64/len(persisters)+1 {
				return false
			}
		}
		return len(counts) == len(persisters)
	}, time.Minute, 50*time.Millisecond, "the shards are not spread")
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
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
