package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/network/porttest"
	"github.com/myelin-hs/myelin/pkg/service/proctest"
)

// Server is a Postgres in a temporary directory, on a loopback port of its own. It runs as another user when the caller
// is root, for Postgres refuses to.
type Server struct {
	dir    string
	port   int
	bin    string
	cred   *syscall.Credential
	args   []string
	clock  *Clock // nil: the machine's
	cmd    *exec.Cmd
	exited <-chan struct{}
}

// minVersion is the oldest Postgres that Myelin supports.
const minVersion = 15

// Start initialises a database cluster below dir and starts it. settings are further `-c` arguments, each name=value.
func Start(ctx context.Context, dir string, settings ...string) (*Server, error) {
	return StartUnder(ctx, nil, dir, settings...)
}

// StartUnder is Start for a server that takes the time from clock.
func StartUnder(ctx context.Context, clock *Clock, dir string, settings ...string) (*Server, error) {
	s, err := place(dir, settings)
	if err != nil {
		return nil, err
	}
	s.clock = clock
	if err := s.tool(ctx, "initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"); err != nil {
		return nil, err
	}
	return s, s.Restart(ctx)
}

// place makes a server's directories and chooses its port.
func place(dir string, settings []string) (*Server, error) {
	bin, err := binDir()
	if err != nil {
		return nil, err
	}
	cred, err := unprivileged()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, cred: cred}
	if err := os.MkdirAll(s.data(), 0o700); err != nil {
		return nil, err
	}
	if cred != nil {
		for _, d := range []string{dir, s.data()} {
			if err := os.Chown(d, int(cred.Uid), int(cred.Gid)); err != nil {
				return nil, err
			}
		}
	}
	if s.port, err = porttest.Reserve(); err != nil {
		return nil, err
	}
	s.args = []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + dir}
	for _, set := range settings {
		s.args = append(s.args, "-c", set)
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// tool runs one of Postgres's programs as the server's user.
func (s *Server) tool(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// Restart starts the server again, after Stop or Crash, on the same port.
func (s *Server) Restart(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "postgres.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), s.args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.clock.env()...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	exited, err := proctest.Start(cmd, syscall.SIGQUIT)
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.cmd, s.exited = cmd, exited
	if err := s.await(ctx); err != nil {
		out, _ := os.ReadFile(log.Name())
		_ = s.Stop()
		return fmt.Errorf("wait for postgres: %w\n%s", err, out)
	}
	return nil
}

// URI of one of the server's databases.
func (s *Server) URI(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// Addr is host:port.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Stop ends the server in order, but waits for no session. What it wrote is thrown away with its directory.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Crash ends the server as `pg_ctl stop -m immediate` does; what had committed is there after Restart.
func (s *Server) Crash() error { return s.end(syscall.SIGQUIT) }

func (s *Server) end(how syscall.Signal) error {
	if err := s.cmd.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.exited
	return nil
}

func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URI("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

func binDir() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	sort.Slice(dirs, func(i, j int) bool { return major(dirs[i]) > major(dirs[j]) })
	for _, d := range dirs {
		if _, err := os.Stat(filepath.Join(d, "initdb")); err == nil && major(d) >= minVersion {
			return d, nil
		}
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p), nil
	}
	return "", fmt.Errorf("no PostgreSQL >= %d found: install Debian's package `postgresql`", minVersion)
}

func major(dir string) int {
	v, _ := strconv.Atoi(filepath.Base(strings.TrimSuffix(dir, "/bin")))
	return v
}

// unprivileged returns the credential to drop to, nil when this process is not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("running as root, and there is neither a user `postgres` nor `nobody` to run Postgres as")
}
