//go:build linux

package network

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the options do is the kernel's affair, tcp(7); that they are set is ours.
func TestConnectionsNoticeThatTheOtherSideHasVanished(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	conn, err := Dialer(time.Minute).DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	got := map[string]int{}
	require.NoError(t, raw.Control(func(fd uintptr) {
		for name, option := range map[string][2]int{
			"keepalive": {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE}, "idle": {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE},
			"interval": {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL}, "count": {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT},
			"user timeout": {syscall.IPPROTO_TCP, tcpUserTimeout},
		} {
			got[name], _ = syscall.GetsockoptInt(int(fd), option[0], option[1])
		}
	}))
	require.Equal(t, map[string]int{"keepalive": 1, "idle": 1, "interval": 1, "count": 2, "user timeout": 2000}, got)
}

func TestSocketsOfTheMachineItselfAreDialledToo(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	require.NoError(t, err)
	defer l.Close()
	conn, err := Dialer(time.Minute).DialContext(t.Context(), "unix", l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}
