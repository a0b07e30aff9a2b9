// Package porttest gives tests ports for the servers that they start.
package porttest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
)

var (
	mu       sync.Mutex
	reserved = map[int]net.Listener{}
)

// Reserve returns a port of 127.0.0.1 on which nobody listens, and which nobody else who asks here gets before this
// process ends, in whatever process: a server may be down for a while, or not have started yet. It is below the ports
// that the kernel gives to connections. What marks it as taken is a listener on the same port of 127.0.0.2.
func Reserve() (int, error) {
	const low, high = 12000, 32000
	mu.Lock()
	defer mu.Unlock()
	for range high - low {
		port := low + rand.IntN(high-low)
		if reserved[port] != nil {
			continue
		}
		mark, err := net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("reserve a port: %w", err)
		}
		free, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			_ = mark.Close()
			if errors.Is(err, syscall.EADDRINUSE) {
				continue
			}
			return 0, fmt.Errorf("reserve a port: %w", err)
		}
		reserved[port] = mark
		return port, free.Close()
	}
	return 0, fmt.Errorf("no port between %d and %d is free", low, high)
}
