package main

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChoosePorts(t *testing.T) {
	t.Parallel()
	takenAre := func(ports ...int) func(int) bool {
		return func(p int) bool {
			for _, t := range ports {
				if p == t {
					return true
				}
			}
			return false
		}
	}
	for _, tc := range []struct {
		name   string
		chosen map[string]int
		taken  func(int) bool
		want   map[string]int
	}{
		{"the first free ones", nil, takenAre(firstPort, firstPort+2), map[string]int{"a": firstPort + 1, "b": firstPort + 3, "c": firstPort + 4}},
		{"what was chosen stays", map[string]int{"b": firstPort}, takenAre(), map[string]int{"a": firstPort + 1, "b": firstPort, "c": firstPort + 2}},
		{"what was lost is chosen anew", map[string]int{"a": firstPort, "b": firstPort + 1}, takenAre(firstPort), map[string]int{"a": firstPort + 2, "b": firstPort + 1, "c": firstPort + 3}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := choosePorts([]string{"a", "b", "c"}, tc.chosen, tc.taken)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
	_, err := choosePorts([]string{"a"}, nil, func(int) bool { return true })
	require.ErrorContains(t, err, "no free port for a")
}

func TestPortTakenSeesEveryListener(t *testing.T) {
	t.Parallel()
	loopback, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer loopback.Close()
	require.True(t, portTaken(loopback.Addr().(*net.TCPAddr).Port), "TCP on loopback")

	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer datagrams.Close()
	require.True(t, portTaken(datagrams.LocalAddr().(*net.UDPAddr).Port), "UDP on loopback")
}

func TestAClusterThatIsGivenMoreKeepsItsPorts(t *testing.T) {
	t.Parallel()
	s := &State{Ports: map[string]int{"a": 21000, "b": 21001}}
	taken := s.takenByOthers(func(port int) bool { return port < 21003 }) // by our daemons, and one of somebody else's
	ports, err := choosePorts([]string{"a", "b", "c"}, s.Ports, taken)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"a": 21000, "b": 21001, "c": 21003}, ports)
}
