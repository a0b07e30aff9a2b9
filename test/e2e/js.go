package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/myelin-hs/myelin/test/figures"
)

// jsClients are the clients by matrix-js-sdk, in a process of their own. They write to each other until told to stop,
// and judge what they saw themselves.
type jsClients struct {
	t       *tour
	stdin   io.WriteCloser
	lines   chan []byte
	process *exec.Cmd
	problem error
}

type jsVerdict struct {
	Started                           bool
	Sent, Lost, Duplicated, Reordered int
	Problems                          []string
}

// jsPatience bounds the wait for the clients' start and for their verdict.
const jsPatience = 3 * time.Minute

// startJS starts the clients and waits until they talk to each other. Without a command it does nothing.
func startJS(ctx context.Context, t *tour) *jsClients {
	j := &jsClients{t: t}
	if t.js == "" {
		return j
	}
	j.problem = j.start(ctx)
	return j
}

func (j *jsClients) start(ctx context.Context) error {
	address, err := j.t.kube.Address(ctx, j.t.kube.Homeserver)
	if err != nil {
		return err
	}
	secret, err := j.t.kube.Secret(ctx, j.t.secret, "shared-secret")
	if err != nil {
		return err
	}
	j.t.say("starting the matrix-js-sdk clients")
	j.process = exec.CommandContext(ctx, j.t.js, "http://"+address, secret, fmt.Sprintf("js%d", time.Now().Unix()))
	j.process.Stderr = os.Stderr
	// A group of its own, so that stopping it stops node too.
	j.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	j.process.Cancel = func() error { return syscall.Kill(-j.process.Process.Pid, syscall.SIGKILL) }
	if j.stdin, err = j.process.StdinPipe(); err != nil {
		return err
	}
	stdout, err := j.process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := j.process.Start(); err != nil {
		return err
	}
	j.lines = make(chan []byte, 16)
	go func() {
		defer close(j.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			if line := s.Bytes(); len(line) > 0 && line[0] == '{' {
				j.lines <- append([]byte(nil), line...)
			}
		}
	}()
	v, err := j.read()
	if err == nil && !v.Started {
		err = fmt.Errorf("the clients said %+v instead of that they started", v)
	}
	return err
}

func (j *jsClients) read() (jsVerdict, error) {
	var v jsVerdict
	select {
	case line, ok := <-j.lines:
		if !ok {
			return v, fmt.Errorf("the matrix-js-sdk clients ended without a verdict")
		}
		return v, json.Unmarshal(line, &v)
	case <-time.After(jsPatience):
		return v, fmt.Errorf("the matrix-js-sdk clients said nothing for %s", jsPatience)
	}
}

// rows ends the clients' conversation and returns their verdict.
func (j *jsClients) rows() []figures.Row {
	if j.t.js == "" {
		return nil
	}
	var v jsVerdict
	if j.problem == nil {
		_ = j.stdin.Close()
		v, j.problem = j.read()
	}
	if j.problem != nil {
		j.t.say("matrix-js-sdk clients: %v", j.problem)
		return []figures.Row{figures.AtMost("js_sdk.problems", "problems", 1, 0)}
	}
	j.t.say("matrix-js-sdk clients: %d messages sent, lost %d, duplicated %d, reordered %d, %d problems", v.Sent, v.Lost, v.Duplicated, v.Reordered, len(v.Problems))
	for _, p := range v.Problems {
		j.t.say("  %s", p)
	}
	return []figures.Row{figures.AtMost("js_sdk.problems", "problems", float64(len(v.Problems)), 0)}
}

// stop ends the process, whatever it does.
func (j *jsClients) stop() {
	if j.process == nil || j.process.Process == nil {
		return
	}
	_ = syscall.Kill(-j.process.Process.Pid, syscall.SIGKILL)
	_ = j.process.Wait()
}
