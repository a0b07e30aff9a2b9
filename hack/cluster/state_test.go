package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStateKeepsItsSecrets(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	s, err := createState(dir, Bare)
	require.NoError(t, err)
	password, err := s.secret("postgres")
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%v %s %+v", password, password, s.Secrets), string(password))
	info, err := os.Stat(filepath.Join(dir, stateFile))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())

	again, err := loadState(dir)
	require.NoError(t, err)
	same, err := again.secret("postgres")
	require.NoError(t, err)
	require.Equal(t, string(password), string(same))
	require.NoError(t, again.removeState())
	require.NoDirExists(t, dir)
}

func TestCreateStateRefusesAStrangersFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "letters"), nil, 0o600))
	_, err := createState(dir, Bare)
	require.ErrorContains(t, err, "not empty")
}

func TestLockKeepsASecondCommandOut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	for name, take := range map[string]func(context.Context, string) (func(), error){"lock": lock, "exclude": exclude} {
		done, err := take(t.Context(), path)
		require.NoError(t, err, name)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err = take(ctx, path)
		cancel()
		require.ErrorContains(t, err, "another command", name)
		done()
		done, err = take(t.Context(), path)
		require.NoError(t, err, name)
		done()
	}
}

func TestForbidServicesLeavesTheMachinesPolicy(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policy-rc.d")
	restore, err := forbidServices(file)
	require.NoError(t, err)
	require.True(t, isOurPolicy(file))
	restore()
	require.NoFileExists(t, file)

	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\nexit 101\n"), 0o755))
	restore, err = forbidServices(file)
	require.NoError(t, err)
	restore()
	require.FileExists(t, file)
	require.False(t, isOurPolicy(file))
}

func TestParseTakesFlagsAnywhere(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--state", "/a/b", "kill", "--pod-uid", "u"},
		{"kill", "--pod-uid", "u", "--state=/a/b"},
		{"kill", "-state", "/a/b", "--pod-uid", "u"},
	} {
		var state string
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		flags.StringVar(&state, "state", "", "")
		rest, err := parse(flags, args)
		require.NoError(t, err)
		require.Equal(t, "/a/b", state)
		require.Equal(t, []string{"kill", "--pod-uid", "u"}, rest)
	}
}

func TestRunRefusesADangerousState(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"/", "/var", "/var/", "here", ""} {
		var out bytes.Buffer
		require.ErrorContains(t, run(t.Context(), []string{"--state", state, "down"}, &out), "--state", state)
	}
}
