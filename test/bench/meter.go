package main

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A meter is a way to a server that counts what comes back.
type meter struct {
	listener net.Listener
	received atomic.Int64 // bytes from the server
	serving  sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]bool
}

func newMeter(target string) (*meter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &meter{listener: l, open: map[net.Conn]bool{}}
	m.serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			m.serving.Go(func() { m.serve(client, target) })
		}
	})
	return m, nil
}

// keep reports whether a connection may go on: not once the meter is closed.
func (m *meter) keep(c net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open == nil {
		_ = c.Close()
		return false
	}
	m.open[c] = true
	return true
}

func (m *meter) end(c net.Conn) {
	_ = c.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, c)
}

func (m *meter) serve(client net.Conn, target string) {
	server, err := net.Dial("tcp", target)
	if err != nil {
		_ = client.Close()
		return
	}
	if !m.keep(client) || !m.keep(server) {
		_, _ = client.Close(), server.Close()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(server, client); m.end(server) })
	both.Go(func() { _, _ = io.Copy(counting{client, &m.received}, server); m.end(client) })
	both.Wait()
}

// counting counts what is written.
type counting struct {
	to net.Conn
	n  *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// close ends the meter and its connections.
func (m *meter) close() {
	_ = m.listener.Close()
	m.mu.Lock()
	for c := range m.open {
		_ = c.Close()
	}
	m.open = nil
	m.mu.Unlock()
	m.serving.Wait()
}
