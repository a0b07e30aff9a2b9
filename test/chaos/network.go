package main

import (
	"fmt"
	"net/url"

	"github.com/myelin-hs/myelin/test/chaos/proxy"
	"github.com/myelin-hs/myelin/test/processes"
)

// Lines are the proxies between one worker and what it talks to, which break apart from those of other workers.
type Lines struct {
	Postgres, Redis *proxy.Proxy
	Internal        *proxy.Proxy // between the other workers and this one
}

// A Network has the lines of every worker of a run.
type Network struct {
	run   *Run
	lines map[*processes.Worker]*Lines
}

// NewNetwork makes a network; its Prepare is the fleet's.
func NewNetwork(r *Run) *Network { return &Network{run: r, lines: map[*processes.Worker]*Lines{}} }

// Of are the lines of a worker.
func (n *Network) Of(w *processes.Worker) *Lines {
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	return n.lines[w]
}

// Prepare draws the lines of a worker that has not been started.
func (n *Network) Prepare(w *processes.Worker) error {
	l := &Lines{}
	var err error
	if w.PostgresURI, l.Postgres, err = n.detour(w.PostgresURI, proxy.ListenPostgres); err != nil {
		return err
	}
	if w.RedisURI, l.Redis, err = n.detour(w.RedisURI, proxy.Listen); err != nil {
		return err
	}
	if l.Internal, err = proxy.Listen(w.Internal); err != nil {
		return err
	}
	n.run.OnClose(l.Internal.Close)
	w.Advertise = l.Internal.Addr()
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	n.lines[w] = l
	return nil
}

// detour leads a URI through a proxy.
func (n *Network) detour(uri string, listen func(string) (*proxy.Proxy, error)) (string, *proxy.Proxy, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", nil, fmt.Errorf("read a URI: %w", err)
	}
	p, err := listen(u.Host)
	if err != nil {
		return "", nil, err
	}
	n.run.OnClose(p.Close)
	u.Host = p.Addr()
	return u.String(), p, nil
}
