// Package network dials so that a peer that has vanished is noticed within seconds. A cut network sends no reset: left to
// itself the kernel goes on sending for a quarter of an hour, and a connection that only listens never ends.
package network

import (
	"net"
	"time"
)

const (
	// silence is how long what was sent may stay unacknowledged. What ends is the connection, with an error for whoever
	// reads or writes.
	silence = 2 * time.Second
	// probeAfter is how long a connection may be quiet until the kernel asks the other side, whole seconds.
	probeAfter = time.Second
)

// Dialer makes TCP connections that end within 3 s of the moment from which the other host, or the way there or back, is
// gone, whether they are sending, waiting for an answer or idle. (On systems other than Linux sending takes longer.) A
// dial itself takes at most timeout. A host that acknowledges for a process that hangs is not noticed.
func Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:         timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: probeAfter, Interval: probeAfter, Count: 2},
		Control:         boundSilence,
	}
}
