package persister

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A proxy stands between the lanes and Postgres. It understands as much of the protocol as it takes to count
// statements and transactions, and to cut a connection at COMMIT.
type proxy struct {
	target string

	mu       sync.Mutex
	cut      cut
	wasCut   chan struct{}
	executes int // statements that ran
	syncs    int // transactions, in a lane's steady state
	conns    map[net.Conn]bool

	sent func() // called between sending the pipeline and hanging up, when cut duringCommit
}

type cut int

const (
	uncut cut = iota
	// beforeCommit loses the pipeline on its way to the server.
	beforeCommit
	// afterCommit loses the server's answer.
	afterCommit
	// duringCommit hangs up on the client when the pipeline has been sent, while the server works.
	duringCommit
)

// newProxy returns a proxy and the URI through it.
func newProxy(t *testing.T, uri string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(uri)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{target: u.Host, wasCut: make(chan struct{}, 1), conns: make(map[net.Conn]bool)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		serving.Wait()
	})
	u.Host = listener.Addr().String()
	return p, u.String()
}

// arm cuts the next pipeline that carries a block.
func (p *proxy) arm(c cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = c
}

func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.executes, p.syncs = 0, 0
}

func (p *proxy) counts() (executes, syncs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.executes, p.syncs
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	var deaf sync.Mutex // held when the server's answers are to be lost
	var back sync.WaitGroup
	back.Go(func() {
		buffer := make([]byte, 32<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				_ = client.Close()
				return
			}
			deaf.Lock()
			_, err = client.Write(buffer[:n])
			deaf.Unlock()
			if err != nil {
				return
			}
		}
	})
	p.forward(client, server, &deaf)
	_ = client.Close()
	back.Wait()
	_ = server.Close()
}

// forward passes the client's messages on until the connection ends or is cut.
func (p *proxy) forward(client, server net.Conn, deaf *sync.Mutex) {
	if _, err := passStartup(client, server); err != nil {
		_ = server.Close()
		return
	}
	executes := 0
	var pipeline []byte
	for {
		kind, message, err := readMessage(client)
		if err != nil {
			_ = server.Close()
			return
		}
		pipeline = append(pipeline, message...)
		if kind == 'E' {
			executes++
		}
		if kind != 'S' && kind != 'Q' && kind != 'X' {
			continue
		}
		mode := uncut
		p.mu.Lock()
		p.executes += executes
		if executes > 0 {
			p.syncs++
		}
		// A block is at least block_begin, events and keys.
		if executes >= 2 {
			mode, p.cut = p.cut, uncut
		}
		p.mu.Unlock()
		switch mode {
		case uncut:
			if _, err := server.Write(pipeline); err != nil {
				return
			}
		case beforeCommit:
			_ = server.Close()
			p.wasCut <- struct{}{}
			return
		case duringCommit:
			deaf.Lock() // the server may be done before the hanging up
			_, _ = server.Write(pipeline)
			if p.sent != nil {
				p.sent()
			}
			_ = client.Close() // the server is left to finish: its answers find nobody
			deaf.Unlock()
			p.wasCut <- struct{}{}
			return
		case afterCommit:
			deaf.Lock()
			_, _ = server.Write(pipeline)
			// The server reads Terminate only when it has committed and closes then, which ends the reading side.
			_, _ = server.Write([]byte{'X', 0, 0, 0, 4})
			_ = client.Close()
			deaf.Unlock()
			p.wasCut <- struct{}{}
			return
		}
		executes, pipeline = 0, nil
	}
}

// cancelRequest begins a connection that wants another one's statement cancelled, as pgx does when it loses that one. A
// network that loses the one would lose the other.
const cancelRequest = 80877102

func passStartup(client io.Reader, server io.Writer) (int, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(client, head); err != nil {
		return 0, err
	}
	rest := make([]byte, binary.BigEndian.Uint32(head)-4)
	if _, err := io.ReadFull(client, rest); err != nil {
		return 0, err
	}
	if binary.BigEndian.Uint32(rest) == cancelRequest {
		return 0, io.EOF
	}
	return server.Write(append(head, rest...))
}

func readMessage(r io.Reader) (kind byte, message []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	message = make([]byte, 1+binary.BigEndian.Uint32(head[1:]))
	copy(message, head)
	_, err = io.ReadFull(r, message[5:])
	return head[0], message, err
}
