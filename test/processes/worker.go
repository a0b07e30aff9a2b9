package processes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/service/proctest"
)

// A Worker is one process at a time.
type Worker struct {
	Name, Roles, Binary     string
	Public, Internal, Probe string
	// PostgresURI, RedisURI and Advertise may be those of a proxy; set them before the start.
	PostgresURI, RedisURI, Advertise string
	// PostgresReadURI may be that of a pooler; "": PostgresURI.
	PostgresReadURI string
	// CredentialFile holds the internal credential; "": the file that all share.
	CredentialFile string
	// Pprof is where its profiles can be taken from; "": nowhere.
	Pprof string
	// Env are more variables of the process's environment.
	Env []string

	cmd    *exec.Cmd
	exited <-chan struct{}
}

// Run starts a process for w: the first, or the next one after a crash, with the pod's name and addresses.
func (h *Homeserver) Run(w *Worker) error {
	cmd := exec.Command(w.Binary, "run", "--roles="+w.Roles, "--server-name="+h.ServerName, "--registration=open", "--stop-delay=1s",
		"--pod-name="+w.Name, "--public-addr="+w.Public, "--internal-addr="+w.Internal, "--probe-addr="+w.Probe, "--advertise-addr="+w.Advertise,
		"--postgres-uri="+w.PostgresURI, "--internal-credential-file="+cmp.Or(w.CredentialFile, h.file("credential")), "--signing-key-file="+h.file("signing.key"),
		"--registration-shared-secret-file="+h.file("shared-secret"))
	if w.RedisURI != "" {
		cmd.Args = append(cmd.Args, "--redis-uri="+w.RedisURI)
	}
	if w.Pprof != "" {
		cmd.Args = append(cmd.Args, "--pprof-addr="+w.Pprof)
	}
	if w.PostgresReadURI != "" {
		cmd.Args = append(cmd.Args, "--postgres-read-uri="+w.PostgresReadURI)
	}
	log := h.Log(w.Name)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, w.Env...)
	exited, err := proctest.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("start %s: %w", w.Name, err)
	}
	w.cmd, w.exited = cmd, exited
	return nil
}

// AwaitReady waits until w serves.
func (w *Worker) AwaitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.Probe+"/ready", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", w.Name, ctx.Err())
		case <-w.exited:
			return fmt.Errorf("%s ended before it was ready", w.Name)
		case <-tick.C:
		}
	}
}

// Kill ends the process as a crash does, if it runs.
func (w *Worker) Kill() {
	if w.cmd != nil {
		_ = w.cmd.Process.Kill()
		<-w.exited
	}
}

// Signal sends a signal to the process.
func (w *Worker) Signal(s syscall.Signal) error { return w.cmd.Process.Signal(s) }

// PID is the id of the process.
func (w *Worker) PID() int { return w.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (w *Worker) Exited() <-chan struct{} { return w.exited }

// Terminate tells the process to stop and waits until it has.
func (w *Worker) Terminate(ctx context.Context) error {
	if err := w.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-w.exited:
	case <-ctx.Done():
		return fmt.Errorf("%s did not stop: %w", w.Name, ctx.Err())
	}
	if code := w.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with code %d", w.Name, code)
	}
	return nil
}

// Admin is the worker's internal API, past every proxy.
func (w *Worker) Admin() *admin.Client { return admin.NewClient("http://"+w.Internal, Credential, nil) }
