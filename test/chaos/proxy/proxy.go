// Package proxy is a TCP connection that can be broken: cut in one direction or both, reset, refused, slowed down, or, for
// Postgres, broken for some sessions only or at the moment of a commit.
package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Proxy passes connections on to one address. Its methods may be called concurrently.
type Proxy struct {
	listener net.Listener
	postgres bool
	serving  sync.WaitGroup
	closed   chan struct{}

	mu      sync.Mutex
	target  string
	conns   map[*conn]bool
	fault   Fault
	changed chan struct{} // closed when the fault is another
	commits []*Block      // armed, in order
}

// A conn is one connection through the proxy.
type conn struct {
	client, server net.Conn
	kind           Kind
	deaf           atomic.Bool   // what the server sends is lost
	answered       chan struct{} // closed when the server sends no more
	done           chan struct{}
	once           sync.Once
}

// close ends a connection by a reset, as a machine does that has forgotten it.
func (c *conn) close() {
	c.once.Do(func() {
		close(c.done)
		for _, end := range []net.Conn{c.client, c.server} {
			if end != nil {
				reset(end)
			}
		}
	})
}

// A direction is where bytes go.
type direction int

const (
	toServer direction = iota
	toClient
)

// Listen starts a proxy to target, host:port, on a loopback port of its own.
func Listen(target string) (*Proxy, error) { return listen(target, false) }

// ListenPostgres starts a proxy that knows sessions by their names, and where commits are.
func ListenPostgres(target string) (*Proxy, error) { return listen(target, true) }

func listen(target string, postgres bool) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		target: target, listener: l, postgres: postgres, closed: make(chan struct{}), conns: map[*conn]bool{}, changed: make(chan struct{}),
	}
	p.serving.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Aim sends new connections to another target; Reset ends those to the old one.
func (p *Proxy) Aim(target string) { p.mu.Lock(); p.target = target; p.mu.Unlock() }

// Close ends the proxy and its connections.
func (p *Proxy) Close() {
	close(p.closed)
	_ = p.listener.Close()
	p.Reset()
	p.serving.Wait()
}

var errEnded = errors.New("the connection ended")

// pass waits until what goes that way arrives.
func (p *Proxy) pass(c *conn, d direction) error {
	var slow *time.Timer
	for {
		p.mu.Lock()
		fault, changed := p.fault, p.changed
		p.mu.Unlock()
		stalled := fault.stalls(c.kind, d)
		if !stalled && (slow != nil || fault.Delay <= 0) {
			return nil
		}
		var late <-chan time.Time
		if !stalled {
			slow = time.NewTimer(fault.Delay)
			late = slow.C
			changed = nil
		}
		select {
		case <-changed:
		case <-late:
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

// enter counts a connection among those that Reset ends; false if it is refused.
func (p *Proxy) enter(c *conn) (target string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
		return "", false
	default:
	}
	p.conns[c] = true
	return p.target, !p.fault.Refuse
}

func (p *Proxy) leave(c *conn) {
	c.close()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

func (p *Proxy) serve(client net.Conn) {
	c := &conn{client: client, answered: make(chan struct{}), done: make(chan struct{})}
	defer p.leave(c)
	target, ok := p.enter(c)
	if !ok {
		return
	}
	var startup []byte
	var err error
	if p.postgres {
		if startup, err = readStartup(client); err != nil {
			return
		}
		c.kind = kindOf(startup)
	}
	if p.pass(c, toServer) != nil { // a network that is cut carries no dial either
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	if !p.connected(c, server) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { p.backward(c) })
	if p.postgres {
		err = p.statements(c, startup)
	} else {
		err = p.copy(c, c.client, c.server, toServer)
	}
	p.end(c, c.server, toServer, err)
	back.Wait()
}

// connected gives c its other end; false if it was reset meanwhile.
func (p *Proxy) connected(c *conn, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-c.done:
		reset(server)
		return false
	default:
	}
	c.server = server
	return true
}

func (p *Proxy) backward(c *conn) {
	err := p.copy(c, c.server, c.client, toClient)
	close(c.answered)
	p.end(c, c.client, toClient, err)
}

// copy passes bytes on as long as they arrive.
func (p *Proxy) copy(c *conn, from, to net.Conn, d direction) error {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return err
		}
		if err := p.send(c, to, d, buffer[:n]); err != nil {
			return err
		}
	}
}

func (p *Proxy) send(c *conn, to net.Conn, d direction, b []byte) error {
	if err := p.pass(c, d); err != nil {
		return err
	}
	if d == toClient && c.deaf.Load() {
		return nil
	}
	_, err := to.Write(b)
	return err
}

// end passes on that one direction has ended: an end is lost in a cut network as well.
func (p *Proxy) end(c *conn, to net.Conn, d direction, err error) {
	if p.pass(c, d) != nil {
		return
	}
	if errors.Is(err, io.EOF) {
		_ = to.(*net.TCPConn).CloseWrite()
		return
	}
	c.close()
}

// reset makes the other side see a reset, not an end.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}
