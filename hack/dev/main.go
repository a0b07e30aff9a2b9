// Command dev runs a whole homeserver in one process on 127.0.0.1:8008, with a Postgres in a temporary directory.
// Ctrl-C stops both and removes everything. Registration is open: this is for trying and developing, nothing else.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8008", "where clients connect")
	internal := flag.String("internal-addr", "127.0.0.1:0", "where other workers would connect; port 0: any that is free")
	probe := flag.String("probe-addr", "127.0.0.1:0", "where /ready and /metrics are; port 0: any that is free")
	serverName := flag.String("server-name", "localhost", "Matrix server name")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := dev{addr: *addr, serverName: *serverName}
	var err error
	if d.internal, err = choose(*internal); err == nil {
		d.probe, err = choose(*probe)
	}
	if err == nil {
		err = d.run(ctx)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "make dev:", err)
		os.Exit(1)
	}
}

type dev struct {
	addr, internal, probe, serverName string

	dir, worker, postgres string
}

func (d *dev) run(ctx context.Context) (err error) {
	began := time.Now()
	if d.dir, err = os.MkdirTemp("", "myelin-dev-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	// Postgres runs as another user when this is root, and has to get to its own directory.
	if err := os.Chmod(d.dir, 0o711); err != nil {
		return err
	}

	d.worker = filepath.Join(d.dir, "worker")
	build := exec.CommandContext(ctx, "go", "build", "-o", d.worker, "./cmd/worker")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the worker: %w", err)
	}
	fmt.Printf("built after %s\n", since(began))

	server, err := pgtest.Start(ctx, filepath.Join(d.dir, "postgres"), "fsync=off", "shared_buffers=64MB")
	if err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	d.postgres = server.URI("postgres")
	fmt.Printf("Postgres is up after %s\n", since(began))

	shared := rand.Text()
	for name, text := range map[string]string{"credential": rand.Text() + rand.Text(), "shared-secret": shared, "postgres-uri": d.postgres} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text+"\n"), 0o600); err != nil {
			return err
		}
	}
	key, err := d.command(ctx, "generate-signing-key").Output()
	if err != nil {
		return fmt.Errorf("generate a signing key: %w", err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "signing.key"), key, 0o600); err != nil {
		return err
	}
	migrate := d.command(ctx, "migrate", "--server-name="+d.serverName, "--postgres-uri-file="+filepath.Join(d.dir, "postgres-uri"))
	if out, err := migrate.CombinedOutput(); err != nil {
		return fmt.Errorf("migrate: %w\n%s", err, out)
	}
	return d.serve(ctx, began, shared)
}

// serve runs the worker until ctx ends or it does.
func (d *dev) serve(ctx context.Context, began time.Time, shared string) error {
	// Told to stop, the worker drains: not killed at once like a command of a context that ends.
	worker := d.command(context.WithoutCancel(ctx), "run", "--roles=all", "--registration=open", "--stop-delay=0s",
		"--server-name="+d.serverName,
		"--public-addr="+d.addr, "--internal-addr="+d.internal, "--probe-addr="+d.probe, "--advertise-addr="+d.internal,
		"--public-base-url=http://"+d.addr,
		"--postgres-uri-file="+filepath.Join(d.dir, "postgres-uri"),
		"--internal-credential-file="+filepath.Join(d.dir, "credential"),
		"--signing-key-file="+filepath.Join(d.dir, "signing.key"),
		"--registration-shared-secret-file="+filepath.Join(d.dir, "shared-secret"),
	)
	worker.Stdout, worker.Stderr = os.Stdout, os.Stderr
	if err := worker.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- worker.Wait() }()
	defer func() {
		_ = worker.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(20 * time.Second):
			_ = worker.Process.Kill()
			<-exited
		}
	}()

	ready := time.NewTicker(50 * time.Millisecond)
	defer ready.Stop()
	for !d.ready(ctx) {
		select {
		case <-ctx.Done():
			return nil
		case err := <-exited:
			exited <- err
			return fmt.Errorf("the worker has stopped: %v", err)
		case <-ready.C:
		}
	}
	fmt.Printf(welcome, d.addr, since(began), d.addr, d.addr, shared, d.probe)
	select {
	case <-ctx.Done():
		fmt.Println("stopping")
		return nil
	case err := <-exited:
		exited <- err
		return fmt.Errorf("the worker has stopped: %v", err)
	}
}

const welcome = `
Myelin is ready on http://%s after %s. Registration is open. Try:

  curl -X POST http://%s/_matrix/client/v3/register \
    -d '{"username":"alice","password":"correct horse","auth":{"type":"m.login.dummy"}}'

A client such as Element connects to http://%s. Registration shared secret: %s
Metrics: http://%s/metrics. Ctrl-C stops it and removes its data.

`

func (d *dev) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.probe+"/ready", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// command runs the worker in a process group of its own: Ctrl-C is for this program, which then stops it in order.
func (d *dev) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, d.worker, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.dir}
	return c
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }
