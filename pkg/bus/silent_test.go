package bus_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/bus/redistest"
)

// A network between a client and a server, in which connections can fall silent.
type network struct {
	listener net.Listener
	server   string
	silence  atomic.Pointer[atomic.Bool] // of the connections made until now
	received atomic.Int64                // bytes from the server
	copying  sync.WaitGroup
}

func newNetwork(t *testing.T, server string) *network {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &network{listener: l, server: server}
	n.silence.Store(new(atomic.Bool))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	n.copying.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			n.copying.Go(func() { n.connect(ctx, client) })
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		n.copying.Wait()
	})
	return n
}

func (n *network) connect(ctx context.Context, client net.Conn) {
	defer client.Close()
	silent := n.silence.Load()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.server)
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })()
	n.copying.Go(func() { pass(server, client, silent, new(atomic.Int64)) })
	pass(client, server, silent, &n.received)
}

func pass(to io.Writer, from io.Reader, silent *atomic.Bool, passed *atomic.Int64) {
	buf := make([]byte, 4096)
	for {
		k, err := from.Read(buf)
		if err != nil {
			return
		}
		if !silent.Load() {
			passed.Add(int64(k))
			_, _ = to.Write(buf[:k])
		}
	}
}

// fallSilent swallows what goes over the connections that are there. Later ones work.
func (n *network) fallSilent() { n.silence.Swap(new(atomic.Bool)).Store(true) }

// A host that loses its network sends no reset: its connections are silent, and others must be made.
func TestSilentConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	server := strings.TrimSuffix(strings.TrimPrefix(redistest.New(t), "redis://"), "/0")
	n := newNetwork(t, server)
	b, err := bus.Open(bus.Options{URI: bus.At("redis://" + n.listener.Addr().String()), Prefix: "p:"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	ready, up, down := make(chan bus.Horizon, 10000), make(chan struct{}, 100), make(chan struct{}, 100)
	run(t, b.Subscribe(bus.Handler{
		Horizon:      func(h bus.Horizon) { ready <- h },
		Connected:    func() { up <- struct{}{} },
		Disconnected: func() { down <- struct{}{} },
	}))
	receive(t, up)
	await(t, b, ready)
	n.fallSilent()
	receive(t, down)
	receive(t, up)
	await(t, b, ready)
}
