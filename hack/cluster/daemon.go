package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Daemon is one of the cluster's processes on the host.
type Daemon struct {
	Name    string
	Args    []string // Args[0] is the program's path
	Env     []string // beside PATH
	User    string   // "" is root
	Cgroup  string   // below our own; "" is that
	Stop    syscall.Signal
	Ready   func(context.Context) error
	Timeout time.Duration // for Ready
}

// Process is what a pid file holds: enough to tell the process from a later
// one that was given the same number.
type Process struct {
	PID    int      `json:"pid"`
	Start  uint64   `json:"start"` // clock ticks after boot, from /proc/PID/stat
	BootID string   `json:"bootID"`
	Args   []string `json:"args"` // of the Daemon
}

// isProcess says whether p is the one that is described: same boot, and the
// process that has its number now began when p did.
func (p Process) isProcess(boot string, stat []byte) bool {
	start, zombie, err := parseStat(stat)
	return err == nil && p.PID > 1 && p.BootID == boot && p.Start == start && !zombie
}

// parseStat reads the start time and whether it is dead but unreaped out of
// /proc/PID/stat. The name in parentheses may hold anything.
func parseStat(stat []byte) (start uint64, zombie bool, err error) {
	_, after, ok := strings.Cut(string(stat[max(0, strings.LastIndex(string(stat), ")")):]), ") ")
	fields := strings.Fields(after)
	if !ok || len(fields) < 20 {
		return 0, false, fmt.Errorf("not a /proc/PID/stat: %q", stat)
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return start, fields[0] == "Z" || fields[0] == "X", err
}

func (p Process) alive() bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "stat"))
	return err == nil && p.isProcess(bootID(), stat)
}

func (s *State) pidFile(name string) string { return s.path("pid", name) }

// process returns the daemon's process when it runs.
func (s *State) process(name string) (Process, bool) {
	data, err := os.ReadFile(s.pidFile(name))
	if err != nil {
		return Process{}, false
	}
	var p Process
	if json.Unmarshal(data, &p) != nil || !p.alive() {
		return Process{}, false
	}
	return p, true
}

// ensure leaves the daemon running and ready: as it runs, or started anew.
func (s *State) ensure(ctx context.Context, d Daemon) error {
	if p, ok := s.process(d.Name); ok && slices.Equal(p.Args, d.Args) {
		if err := await(ctx, 5*time.Second, 200*time.Millisecond, d.Ready); err == nil {
			return nil
		}
	}
	if err := s.stop(d.Name, d.Stop, 10*time.Second); err != nil {
		return err
	}
	if err := s.start(ctx, d); err != nil {
		return fmt.Errorf("start %s: %w", d.Name, err)
	}
	err := await(ctx, d.Timeout, 100*time.Millisecond, func(ctx context.Context) error {
		if _, ok := s.process(d.Name); !ok {
			return errors.New("it has ended")
		}
		return d.Ready(ctx)
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s is not ready: %w\nthe end of %s:\n%s", d.Name, err, s.logFile(d.Name), tail(s.logFile(d.Name), 15))
	}
	return err
}

func (s *State) logFile(name string) string { return s.path("log", name+".log") }

// enter puts the process into the cgroup before it becomes the daemon, so that
// no child of it is ever outside.
const enter = `echo $$ >"$1" && shift && exec "$@"`

// start runs the daemon in a session and a cgroup of its own; it outlives us.
func (s *State) start(ctx context.Context, d Daemon) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	procs, err := makeCgroups(d.Cgroup)
	if err != nil {
		return err
	}
	args := []string{"-c", enter, "sh", procs}
	if d.User != "" {
		args = append(args, "setpriv", "--reuid="+d.User, "--regid="+groupOf(d.User), "--clear-groups", "--")
	}
	if err := os.MkdirAll(s.path("log"), 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(s.logFile(d.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	// Not CommandContext: Ctrl-C ends the command, and down the daemon.
	cmd := exec.Command("/bin/sh", append(args, d.Args...)...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, d.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	p := Process{PID: cmd.Process.Pid, BootID: bootID(), Args: d.Args}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "stat"))
	if err == nil {
		p.Start, _, err = parseStat(stat)
	}
	var data []byte
	if err == nil {
		data, err = json.Marshal(p)
	}
	if err == nil {
		err = writeFile(s.pidFile(d.Name), data, 0o600)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return err
	}
	// Reaps a daemon that ends while this command still runs.
	go func() { _ = cmd.Wait() }()
	return nil
}

// stop ends the daemon if its pid file still tells the truth: by the signal,
// and by SIGKILL after the grace.
func (s *State) stop(name string, signal syscall.Signal, grace time.Duration) error {
	defer os.Remove(s.pidFile(name))
	deadline := time.Now().Add(grace)
	for {
		p, ok := s.process(name)
		if !ok {
			return nil
		}
		switch left := time.Until(deadline); {
		case left < -10*time.Second:
			return fmt.Errorf("%s (process %d) does not die", name, p.PID)
		case left < 0:
			signal = syscall.SIGKILL
		}
		if signal != 0 {
			if err := syscall.Kill(p.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("stop %s: %w", name, err)
			}
		}
		if signal != syscall.SIGKILL {
			signal = 0 // once is enough
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// tail returns the last lines of a file.
func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
