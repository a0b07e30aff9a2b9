package proxy

import "time"

// A Fault is how a network is broken. The zero Fault is a network that works.
type Fault struct {
	// ToServer and ToClient lose what goes that way: nothing arrives, nobody is told. What was sent meanwhile arrives when
	// it heals, as TCP sends it again.
	ToServer, ToClient bool
	// Only restricts ToServer and ToClient to Postgres sessions of these kinds; none: all connections.
	Only []Kind
	// Refuse resets new connections, as an address without a listener does.
	Refuse bool
	// Delay holds back what goes either way, each read of it.
	Delay time.Duration
}

func (f Fault) stalls(k Kind, d direction) bool {
	if d == toServer && !f.ToServer || d == toClient && !f.ToClient {
		return false
	}
	for _, only := range f.Only {
		if only == k {
			return true
		}
	}
	return len(f.Only) == 0
}

// Break puts f in the place of any earlier fault.
func (p *Proxy) Break(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	close(p.changed)
	p.changed = make(chan struct{})
}

// Heal ends every fault. Connections that were reset stay so.
func (p *Proxy) Heal() { p.Break(Fault{}) }

// Cut loses the network in both directions.
func (p *Proxy) Cut() { p.Break(Fault{ToServer: true, ToClient: true}) }

// CutToServer loses what is sent to the server only.
func (p *Proxy) CutToServer() { p.Break(Fault{ToServer: true}) }

// CutToClient loses what comes back only.
func (p *Proxy) CutToClient() { p.Break(Fault{ToClient: true}) }

// Wedge loses what the lanes of a persister send, and nothing else.
func (p *Proxy) Wedge() { p.Break(Fault{ToServer: true, Only: []Kind{Lane}}) }

// Refuse resets all connections, and new ones until it is healed.
func (p *Proxy) Refuse() {
	p.Break(Fault{Refuse: true})
	p.Reset()
}

// Reset ends all connections, as a middlebox does that forgets them. New ones may be made.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.close()
	}
}
