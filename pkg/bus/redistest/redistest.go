// Package redistest gives tests a real Redis: a server of their own each, on a loopback port, without persistence.
package redistest

import (
	"context"
	"crypto/tls"
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
	// config are the server's settings besides those that all have.
	config []string
	// password that it asks for, and the authority that signed its certificate; "": none, and no TLS.
	password, authority string
	stop                func()
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

// StartWithPassword starts a server that answers only those who know the password.
func StartWithPassword(t testing.TB, password string) *Server {
	t.Helper()
	return start(t, &Server{password: password, config: []string{"--requirepass", password}})
}

// start starts a server with settings of its own.
func start(t testing.TB, s *Server) *Server {
	t.Helper()
	var err error
	s.port, err = porttest.Reserve()
	require.NoError(t, err)
	s.dir = ownDir(t)
	require.NoError(t, s.Relaunch(t.Context()))
	t.Cleanup(s.Stop)
	return s
}

// ownDir is a directory in which servers can write.
func ownDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "redistest-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(dir, nobody, nobody))
	}
	return dir
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

// Addr is host:port of the server; the same after a Restart.
func (s *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// URI of the server, without the password.
func (s *Server) URI() string {
	if s.authority != "" {
		return "rediss://" + s.Addr() + "/0"
	}
	return "redis://" + s.Addr() + "/0"
}

// Client is a client for what the test itself does with the server.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	c := s.client()
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *Server) client() *redis.Client {
	o := &redis.Options{Addr: s.Addr(), Password: s.password}
	if s.authority != "" {
		o.TLSConfig = &tls.Config{InsecureSkipVerify: true} // of the process that was just started here
	}
	return redis.NewClient(o)
}

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
	port := []string{"--port", strconv.Itoa(s.port)}
	if s.authority != "" {
		port = []string{"--port", "0", "--tls-port", strconv.Itoa(s.port)}
	}
	args := append(port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	var err error
	if s.stop, err = run(s.dir, append(args, s.config...)); err != nil {
		return err
	}
	client := s.client()
	defer client.Close()
	return s.await(ctx, client)
}

// run starts redis-server with its log in dir, and returns what ends it.
func run(dir string, args []string) (stop func(), err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("install Debian's package redis-server: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(dir, "redis.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	exited, err := proctest.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	return func() {
		_ = cmd.Process.Kill()
		<-exited
	}, nil
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
