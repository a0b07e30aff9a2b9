// Package redistest gives tests a real Redis: a server of their own each, on a loopback port, without persistence.
package redistest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/network/porttest"
	"github.com/myelin-hs/myelin/pkg/service/proctest"
)

// nobody is whom the server runs as when the tests run as root.
const nobody = 65534

// Server is a running redis-server.
type Server struct {
	dir  string
	port int
	stop func()
}

// New starts a server that stops when the test ends, and returns its URI.
func New(t testing.TB) string {
	t.Helper()
	return Start(t).URI()
}

// Start starts a server that the test may Stop and Restart.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := Launch(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	return s
}

// Launch starts a server outside of a test, with its log in dir; its caller stops it.
func Launch(ctx context.Context, dir string) (*Server, error) {
	port, err := porttest.Reserve()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, port: port}
	return s, s.Relaunch(ctx)
}

// URI of the server; the same after a Restart.
func (s *Server) URI() string { return fmt.Sprintf("redis://127.0.0.1:%d/0", s.port) }

// Stop kills the server.
func (s *Server) Stop() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// Restart starts the server again, empty.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	require.NoError(t, s.Relaunch(t.Context()))
}

// Relaunch is Restart outside of a test.
func (s *Server) Relaunch(ctx context.Context) error {
	s.Stop()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return fmt.Errorf("install Debian's package redis-server: %w", err)
	}
	log, err := os.Create(filepath.Join(s.dir, "redis.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(path, "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	exited, err := proctest.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return err
	}
	s.stop = func() {
		_ = cmd.Process.Kill()
		<-exited
	}
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + strconv.Itoa(s.port)})
	defer client.Close()
	return s.await(ctx, client)
}

func (s *Server) await(ctx context.Context, client *redis.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for client.Ping(ctx).Err() != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer; its log is redis.log in %s", s.dir)
		case <-tick.C:
		}
	}
	return nil
}
