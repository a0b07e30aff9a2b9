package porttest_test

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/network/porttest"
)

func TestNobodyGetsAPortTwice(t *testing.T) {
	t.Parallel()
	// Of 20,000 ports, 400 drawn by chance would nearly surely hold a pair.
	const askers, each = 8, 50
	ports := make([][]int, askers)
	var group sync.WaitGroup
	for i := range ports {
		group.Go(func() {
			for range each {
				port, err := porttest.Reserve()
				if err != nil {
					t.Error(err)
					return
				}
				ports[i] = append(ports[i], port)
			}
		})
	}
	group.Wait()
	seen := map[int]bool{}
	for _, some := range ports {
		for _, port := range some {
			require.False(t, seen[port], "port %d was given twice", port)
			seen[port] = true
			require.Less(t, port, 32768, "the kernel may give it to a connection")
		}
	}
	require.Len(t, seen, askers*each)
}

func TestPortIsFreeForItsServer(t *testing.T) {
	t.Parallel()
	port, err := porttest.Reserve()
	require.NoError(t, err)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	require.NoError(t, l.Close())
}
