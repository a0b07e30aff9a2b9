package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestIsProcess(t *testing.T) {
	t.Parallel()
	const stat = "4711 (a) name (x) S 1 4711 4711 0 -1 4194560 1 0 0 0 3 1 0 0 20 0 9 0 987654 1270 300 0"
	p := Process{PID: 4711, Start: 987654, BootID: "boot"}
	require.True(t, p.isProcess("boot", []byte(stat)))
	for name, other := range map[string]Process{
		"the number was given again": {PID: 4711, Start: 987653, BootID: "boot"},
		"the machine was restarted":  {PID: 4711, Start: 987654, BootID: "earlier"},
		"no process":                 {PID: 0, Start: 987654, BootID: "boot"},
		"init":                       {PID: 1, Start: 987654, BootID: "boot"},
	} {
		require.False(t, other.isProcess("boot", []byte(stat)), name)
	}
	require.False(t, p.isProcess("boot", []byte("4711 (a) name (x) Z 1 4711 4711 0 -1 4194560 1 0 0 0 3 1 0 0 20 0 9 0 987654 1270 300 0")), "dead, unreaped")
	require.False(t, p.isProcess("boot", nil), "ended")
	require.False(t, p.isProcess("boot", []byte("4711 (cut")), "half a line")
}

// sleeper starts a process and a pid file that describes it.
func sleeper(t *testing.T, s *State, edit func(*Process)) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "stat"))
	require.NoError(t, err)
	p := Process{PID: cmd.Process.Pid, BootID: bootID()}
	p.Start, _, err = parseStat(stat)
	require.NoError(t, err)
	edit(&p)
	data, err := json.Marshal(p)
	require.NoError(t, err)
	require.NoError(t, writeFile(s.pidFile("sleeper"), data, 0o600))
	return cmd
}

func TestStopEndsTheDaemon(t *testing.T) {
	t.Parallel()
	s := &State{dir: t.TempDir()}
	cmd := sleeper(t, s, func(*Process) {})
	_, ok := s.process("sleeper")
	require.True(t, ok)
	require.NoError(t, s.stop("sleeper", syscall.SIGTERM, 5*time.Second))
	require.False(t, Process{PID: cmd.Process.Pid, BootID: bootID()}.alive())
	require.NoFileExists(t, s.pidFile("sleeper"))
	require.NoError(t, s.stop("sleeper", syscall.SIGTERM, time.Second), "a second time")
}

func TestStopSparesAStranger(t *testing.T) {
	t.Parallel()
	s := &State{dir: t.TempDir()}
	var real Process
	sleeper(t, s, func(p *Process) { real = *p; p.Start++ })
	require.NoError(t, s.stop("sleeper", syscall.SIGKILL, 0))
	require.True(t, real.alive(), "a process that has a stale pid file's number was killed")
	require.NoFileExists(t, s.pidFile("sleeper"))
}

func TestTogetherReturnsTheCause(t *testing.T) {
	t.Parallel()
	err := together(t.Context(),
		func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		func(context.Context) error { return os.ErrPermission },
	)
	require.ErrorIs(t, err, os.ErrPermission)
	require.NoError(t, together(t.Context(), func(context.Context) error { return nil }))
}
