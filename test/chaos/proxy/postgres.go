package proxy

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
)

// A Block is one transaction of a lane that was caught at its commit.
type Block struct {
	// Held is closed when all of it but its commit has been passed on: its locks are held, its number is drawn.
	Held chan struct{}

	release chan struct{}
	hangUp  bool
}

// HoldCommit keeps back the commit of the next block that a lane sends, until Release.
func (p *Proxy) HoldCommit() *Block { return p.arm(false) }

// CutAtCommit passes on the commit of the next block that a lane sends, and loses the connection before the answer.
func (p *Proxy) CutAtCommit() *Block { return p.arm(true) }

func (p *Proxy) arm(hangUp bool) *Block {
	b := &Block{Held: make(chan struct{}), release: make(chan struct{}), hangUp: hangUp}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commits = append(p.commits, b)
	return b
}

// Release lets the commit go on.
func (b *Block) Release() { close(b.release) }

// Disarm forgets blocks that were not caught yet.
func (p *Proxy) Disarm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commits = nil
}

func (p *Proxy) next() *Block {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.commits) == 0 {
		return nil
	}
	b := p.commits[0]
	p.commits = p.commits[1:]
	return b
}

// statements passes on what a Postgres client sends, message by message. A block is one pipeline, which its Sync commits:
// all before it has been executed, or will be, without it.
func (p *Proxy) statements(c *conn, startup []byte) error {
	if err := p.send(c, c.server, toServer, startup); err != nil {
		return err
	}
	if c.kind != Lane {
		return p.copy(c, c.client, c.server, toServer)
	}
	executes := 0
	var pipeline []byte
	for {
		kind, message, err := readMessage(c.client)
		if err != nil {
			return err
		}
		if kind == 'E' {
			executes++
		}
		if kind != 'S' {
			pipeline = append(pipeline, message...)
		}
		if kind != 'S' && kind != 'Q' && kind != 'X' {
			continue
		}
		if err := p.send(c, c.server, toServer, pipeline); err != nil {
			return err
		}
		if kind == 'S' {
			if err := p.commit(c, message, executes >= 2); err != nil { // a block is at least block_begin and events
				return err
			}
		}
		executes, pipeline = 0, pipeline[:0]
	}
}

// commit passes on a Sync.
func (p *Proxy) commit(c *conn, sync []byte, block bool) error {
	var b *Block
	if block {
		b = p.next()
	}
	switch {
	case b == nil:
		return p.send(c, c.server, toServer, sync)
	case b.hangUp:
		c.deaf.Store(true)
		// The server ends the session by itself after the commit: hanging up on it might lose what it has not yet read. The
		// client is hung up on last: pgx sends a cancellation then, which might still stop the commit.
		if err := p.send(c, c.server, toServer, append(sync, 'X', 0, 0, 0, 4)); err != nil {
			return err
		}
		close(b.Held)
		select {
		case <-c.answered:
		case <-c.done:
		}
		return errEnded
	}
	close(b.Held)
	select {
	case <-b.release:
	case <-c.done:
		return errEnded
	}
	return p.send(c, c.server, toServer, sync)
}

// protocolVersion is that of a startup message; other numbers there ask for a cancellation or for encryption.
const protocolVersion = 3

func readStartup(r io.Reader) ([]byte, error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head)
	if length < 8 || length > 64<<10 {
		return nil, io.ErrUnexpectedEOF
	}
	message := append(head, make([]byte, length-8)...)
	_, err := io.ReadFull(r, message[8:])
	return message, err
}

// A Kind is what a Postgres session is for.
type Kind string

// The kinds of a worker's sessions, each the application_name that it gives, but for the numbers in those of lanes.
const (
	Lane      Kind = "lane"
	Announcer Kind = "myelin-announcer"
	Leases    Kind = "myelin-lease"
	Reads     Kind = "myelin-reads"
)

// kindOf reads application_name out of a startup message: lanes are called myelin- and the worker's number.
func kindOf(startup []byte) Kind {
	if binary.BigEndian.Uint16(startup[4:]) != protocolVersion {
		return ""
	}
	fields := bytes.Split(startup[8:], []byte{0})
	for i := 0; i+1 < len(fields); i += 2 {
		if string(fields[i]) != "application_name" {
			continue
		}
		name := string(fields[i+1])
		if number, ok := strings.CutPrefix(name, "myelin-"); ok && number != "" && strings.Trim(number, "0123456789") == "" {
			return Lane
		}
		return Kind(name)
	}
	return ""
}

func readMessage(r io.Reader) (kind byte, message []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[1:])
	if length < 4 || length > 64<<20 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	message = make([]byte, 1+length)
	copy(message, head)
	_, err = io.ReadFull(r, message[5:])
	return head[0], message, err
}
