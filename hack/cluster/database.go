package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postgresBin is the folder of the newest Postgres that is installed, "" when
// there is none.
func postgresBin() string {
	best, dir := 0, ""
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	for _, f := range all {
		bin := filepath.Dir(f)
		if version, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && version > best && isExecutable(filepath.Join(bin, "postgres")) {
			best, dir = version, bin
		}
	}
	return dir
}

// account is the first of the names that the machine has: Postgres refuses to
// run as root, Redis need not.
func account(names ...string) string {
	for _, n := range names {
		if _, err := user.Lookup(n); err == nil {
			return n
		}
	}
	return "nobody"
}

func groupOf(name string) string {
	if u, err := user.Lookup(name); err == nil {
		return u.Gid
	}
	return "nogroup"
}

// own gives a file or folder to that user.
func own(path, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return os.Chown(path, uid, gid)
}

// makeHome makes a folder that only that user and root may enter.
func makeHome(dir, name string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return own(dir, name)
}

func writeOwned(path, text, name string) error {
	if err := writeFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return own(path, name)
}

// postgres makes the database cluster on first use and describes its daemon.
// Its data, socket and port are its own; the machine's other Postgres servers
// are neither asked nor touched.
func (s *State) postgres(ctx context.Context) (Daemon, error) {
	bin, owner := postgresBin(), account("postgres")
	home, data := s.path("postgres"), s.path("postgres", "data")
	password, err := s.secret("postgres-admin")
	if err != nil {
		return Daemon{}, err
	}
	if err := makeHome(home, owner); err != nil {
		return Daemon{}, err
	}
	if _, err := os.Stat(filepath.Join(data, "ready")); err != nil {
		// initdb was not finished, or never begun.
		if err := os.RemoveAll(data); err != nil {
			return Daemon{}, err
		}
		word := filepath.Join(home, "password")
		if err := writeOwned(word, string(password), owner); err != nil {
			return Daemon{}, err
		}
		defer os.Remove(word)
		init := exec.CommandContext(ctx, "setpriv", "--reuid="+owner, "--regid="+groupOf(owner), "--clear-groups", "--",
			bin+"/initdb", "--pgdata="+data, "--username=postgres", "--auth=scram-sha-256", "--pwfile="+word, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
		init.Dir = "/"
		init.Env = []string{"PATH=/usr/bin:/bin"}
		if _, err := finish(init); err != nil {
			return Daemon{}, err
		}
		// These files exist already, or are only looked for: their owner does not matter.
		// A client on this machine that goes by a Service may come from any of its addresses.
		access := "local all all scram-sha-256\nhost all all samehost scram-sha-256\nhost all all " + s.Network.Pods.String() + " scram-sha-256\n"
		for file, text := range map[string]string{"pg_hba.conf": access, "ready": ""} {
			if err := os.WriteFile(filepath.Join(data, file), []byte(text), 0o600); err != nil {
				return Daemon{}, err
			}
		}
	}
	return Daemon{
		Name: "postgres",
		User: owner,
		Args: []string{
			bin + "/postgres", "-D", data, "-h", s.Network.Node.String(), "-p", strconv.Itoa(s.Ports["postgres"]), "-k", home,
			"-c", "max_connections=300", "-c", "shared_buffers=128MB", "-c", "max_wal_size=2GB", "-c", "wal_compression=on",
			"-c", "dynamic_shared_memory_type=mmap", // leaves nothing in /dev/shm when killed
			"-c", "tcp_keepalives_idle=15", "-c", "tcp_keepalives_interval=5", "-c", "tcp_keepalives_count=3",
			"-c", "log_checkpoints=off", "-c", "log_connections=off",
		},
		Stop:    syscall.SIGINT, // fast: ends clients' sessions
		Ready:   func(ctx context.Context) error { return s.psql(ctx, "postgres", "SELECT 1") },
		Timeout: time.Minute,
	}, nil
}

// psql runs SQL as the database's administrator.
func (s *State) psql(ctx context.Context, database, sql string) error {
	cmd := exec.CommandContext(ctx, postgresBin()+"/psql", "--no-psqlrc", "--quiet", "--tuples-only", "--set=ON_ERROR_STOP=1",
		"--host="+s.path("postgres"), "--port="+strconv.Itoa(s.Ports["postgres"]), "--username=postgres", "--dbname="+database)
	cmd.Dir, cmd.Stdin = "/", strings.NewReader(sql)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "PGPASSWORD=" + string(s.Secrets["postgres-admin"]), "PGCONNECT_TIMEOUT=5"}
	_, err := finish(cmd)
	return err
}

// makeDatabase gives the homeserver a role and a database of that role's own,
// with the collation that makes text compare by byte.
func (s *State) makeDatabase(ctx context.Context) error {
	password, err := s.secret("postgres")
	if err != nil {
		return err
	}
	return s.psql(ctx, "postgres", fmt.Sprintf(`SELECT 'CREATE ROLE myelin LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'myelin') \gexec
ALTER ROLE myelin PASSWORD '%s';
SELECT 'CREATE DATABASE myelin OWNER myelin TEMPLATE template0 ENCODING ''UTF8'' LOCALE ''C''' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'myelin') \gexec
`, string(password)))
}

// redis keeps nothing on disk: what goes through it can be read from Postgres.
func (s *State) redis() (Daemon, error) {
	password, err := s.secret("redis")
	if err != nil {
		return Daemon{}, err
	}
	owner, home := account("redis", "nobody"), s.path("redis")
	if err := makeHome(home, owner); err != nil {
		return Daemon{}, err
	}
	config := fmt.Sprintf(`bind %s
port %d
dir %s
requirepass %s
save ""
appendonly no
daemonize no
`, s.Network.Node, s.Ports["redis"], home, string(password))
	file := filepath.Join(home, "redis.conf")
	if err := writeOwned(file, config, owner); err != nil {
		return Daemon{}, err
	}
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return Daemon{}, err
	}
	address := s.at(s.Network.Node.String(), "redis")
	return Daemon{
		Name: "redis", User: owner, Args: []string{program, file}, Stop: syscall.SIGTERM, Timeout: 30 * time.Second,
		Ready: func(ctx context.Context) error { return pingRedis(ctx, address, password) },
	}, nil
}

func pingRedis(ctx context.Context, address string, password Secret) error {
	dialer := net.Dialer{Timeout: 2 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	fmt.Fprintf(conn, "AUTH %s\r\nPING\r\n", string(password))
	answers := bufio.NewReader(conn)
	for _, want := range []string{"+OK", "+PONG"} {
		line, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		if got := strings.TrimSpace(line); got != want {
			return fmt.Errorf("redis says %q, not %s", got, want)
		}
	}
	return nil
}

// postgresURI names a database server by that address, for that user.
func postgresURI(user string, password Secret, address, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, string(password)), Host: address, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

func redisURI(password Secret, address string) string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", string(password)), Host: address, Path: "/0"}
	return u.String()
}
