// Package proxy is a TCP connection that can be broken: cut in one direction or both, reset, or, for Postgres, cut at the
// moment of a commit.
package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A Proxy passes connections on to one address. Its methods may be called concurrently.
type Proxy struct {
	target   string
	listener net.Listener
	postgres bool
	serving  sync.WaitGroup
	closed   chan struct{}

	mu       sync.Mutex
	conns    map[*conn]bool
	toServer gate
	toClient gate
	lanes    gate     // of what lanes send: wedges them while all else goes on
	commits  []*Block // armed, in order
}

// A conn is one connection through the proxy.
type conn struct {
	client, server net.Conn
	lane           bool          // a persister's session that writes
	deaf           atomic.Bool   // what the server sends is lost
	answered       chan struct{} // closed when the server sends no more
	done           chan struct{}
	once           sync.Once
}

func (c *conn) close() {
	c.once.Do(func() { close(c.done); _ = c.client.Close(); _ = c.server.Close() })
}

// A gate is open, nil, or closed until the channel is.
type gate chan struct{}

// Listen starts a proxy to target, host:port, on a loopback port of its own.
func Listen(target string) (*Proxy, error) { return listen(target, false) }

// ListenPostgres starts a proxy that knows where commits are.
func ListenPostgres(target string) (*Proxy, error) { return listen(target, true) }

func listen(target string, postgres bool) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listener: l, postgres: postgres, closed: make(chan struct{}), conns: map[*conn]bool{}}
	p.serving.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends the proxy and its connections.
func (p *Proxy) Close() {
	close(p.closed)
	_ = p.listener.Close()
	p.Reset()
	p.serving.Wait()
}

// Cut loses the network in both directions: nothing arrives, nobody is told. What was sent meanwhile arrives when it is
// healed, as TCP sends it again.
func (p *Proxy) Cut() { p.set(true, true, false) }

// CutToServer loses what is sent to the server only, CutToClient what comes back only.
func (p *Proxy) CutToServer() { p.set(true, false, false) }

// CutToClient is the other direction; see CutToServer.
func (p *Proxy) CutToClient() { p.set(false, true, false) }

// Wedge loses what the lanes of a persister send, and nothing else.
func (p *Proxy) Wedge() { p.set(false, false, true) }

// Heal ends what Cut, CutToServer, CutToClient and Wedge began.
func (p *Proxy) Heal() { p.set(false, false, false) }

func (p *Proxy) set(toServer, toClient, lanes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toServer.set(toServer)
	p.toClient.set(toClient)
	p.lanes.set(lanes)
}

func (g *gate) set(shut bool) {
	switch {
	case shut && *g == nil:
		*g = make(gate)
	case !shut && *g != nil:
		close(*g)
		*g = nil
	}
}

// Reset ends all connections, as a middlebox does that forgets them. New ones may be made.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.close()
	}
}

var errEnded = errors.New("the connection ended")

// pass waits until the gate is open.
func (p *Proxy) pass(c *conn, g *gate) error {
	for {
		p.mu.Lock()
		shut := *g
		p.mu.Unlock()
		if shut == nil {
			return nil
		}
		select {
		case <-shut:
		case <-c.done:
			return errEnded
		}
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.serving.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	c := &conn{client: client, server: server, answered: make(chan struct{}), done: make(chan struct{})}
	p.mu.Lock()
	p.conns[c] = true
	p.mu.Unlock()
	select {
	case <-p.closed: // it may have missed the Reset of Close
		c.close()
	default:
	}
	defer func() {
		c.close()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}()
	var back sync.WaitGroup
	back.Go(func() { p.backward(c) })
	if p.postgres {
		err = p.statements(c)
	} else {
		err = p.copy(c, c.client, c.server, &p.toServer)
	}
	p.end(c, c.server, &p.toServer, err)
	back.Wait()
}

func (p *Proxy) backward(c *conn) {
	err := p.copy(c, c.server, c.client, &p.toClient)
	close(c.answered)
	p.end(c, c.client, &p.toClient, err)
}

// copy passes bytes on while the gate is open.
func (p *Proxy) copy(c *conn, from, to net.Conn, g *gate) error {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return err
		}
		if err := p.send(c, to, g, buffer[:n]); err != nil {
			return err
		}
	}
}

func (p *Proxy) send(c *conn, to net.Conn, g *gate, b []byte) error {
	if err := p.pass(c, g); err != nil {
		return err
	}
	if to == c.client && c.deaf.Load() {
		return nil
	}
	_, err := to.Write(b)
	return err
}

// end passes on that one direction has ended: an end is lost in a cut network as well.
func (p *Proxy) end(c *conn, to net.Conn, g *gate, err error) {
	if p.pass(c, g) != nil {
		return
	}
	if errors.Is(err, io.EOF) {
		_ = to.(*net.TCPConn).CloseWrite()
		return
	}
	c.close()
}

// reset refuses a connection: its client sees a reset, not an end.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}
