package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/myelin-hs/myelin/pkg/network/porttest"
	"github.com/myelin-hs/myelin/pkg/service/proctest"
	"github.com/myelin-hs/myelin/test/command"
)

// A Pooler is a pgbouncer in transaction mode.
type Pooler struct {
	path, config string
	addr         string
	cred         *syscall.Credential
	cmd          *exec.Cmd
	exited       <-chan struct{}
}

// NewPooler starts a pooler below dir for the server of uri, with few sessions for many clients.
func NewPooler(ctx context.Context, dir, uri string) (*Pooler, error) {
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(path); err != nil {
		return nil, errors.New("install Debian's package pgbouncer")
	}
	to, err := host(uri)
	if err != nil {
		return nil, err
	}
	toHost, toPort, err := net.SplitHostPort(to)
	if err != nil {
		return nil, err
	}
	p := &Pooler{path: path, config: filepath.Join(dir, "pgbouncer.ini")}
	port, err := porttest.Reserve()
	if err != nil {
		return nil, err
	}
	p.addr = fmt.Sprintf("127.0.0.1:%d", port)
	text := fmt.Sprintf("[databases]\n* = host=%s port=%s user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\n"+
		"auth_type = any\npool_mode = transaction\ndefault_pool_size = 6\nmax_client_conn = 500\nserver_login_retry = 1\n", toHost, toPort, port)
	if err := os.WriteFile(p.config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 { // it refuses to run as root
		u, err := user.Lookup("nobody")
		if err != nil {
			return nil, err
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		p.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
	return p, p.Start(ctx)
}

// URI leads to the pooler and from there to the database of uri.
func (p *Pooler) URI(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", err
	}
	u.Host = p.addr
	return u.String(), nil
}

// Start starts it, also after Kill.
func (p *Pooler) Start(ctx context.Context) error {
	cmd := exec.Command(p.path, "-q", p.config)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred}
	exited, err := proctest.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("start the pooler: %w", err)
	}
	p.cmd, p.exited = cmd, exited
	for {
		conn, err := net.DialTimeout("tcp", p.addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		if werr := command.Wait(ctx, 20*time.Millisecond); werr != nil {
			return fmt.Errorf("the pooler does not listen: %w", err)
		}
	}
}

// Kill ends it as a crash does.
func (p *Pooler) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}
