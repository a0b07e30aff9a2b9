package sync

import (
	"sync"

	"github.com/myelin-hs/myelin/pkg/id"
)

// maxRevoked is how many revoked tokens are remembered, for requests that were on their way.
const maxRevoked = 4096

// A poll is a request in progress.
type poll struct {
	device     device
	token      string
	superseded chan struct{} // closed when the device began another
	revoked    chan struct{} // closed when the token was revoked
}

type device struct {
	user   id.UserID
	device id.DeviceID
}

// polls are the requests in progress: one a device, and none with a revoked token.
type polls struct {
	mu       sync.Mutex
	byDevice map[device]*poll
	byToken  map[string]map[*poll]struct{}
	revoked  map[string]struct{}
	order    []string // of revoked, oldest first
}

func newPolls() *polls {
	return &polls{byDevice: map[device]*poll{}, byToken: map[string]map[*poll]struct{}{}, revoked: map[string]struct{}{}}
}

// begin ends the device's older poll.
func (c *polls) begin(d device, tokenHash []byte) *poll {
	p := &poll{device: d, token: string(tokenHash), superseded: make(chan struct{}), revoked: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if older, ok := c.byDevice[d]; ok {
		close(older.superseded)
	}
	c.byDevice[d] = p
	metricPolls.Inc()
	if p.token == "" {
		return p
	}
	if _, ok := c.revoked[p.token]; ok {
		close(p.revoked)
		return p
	}
	if c.byToken[p.token] == nil {
		c.byToken[p.token] = map[*poll]struct{}{}
	}
	c.byToken[p.token][p] = struct{}{}
	return p
}

func (c *polls) end(p *poll) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byDevice[p.device] == p {
		delete(c.byDevice, p.device)
	}
	delete(c.byToken[p.token], p)
	if len(c.byToken[p.token]) == 0 {
		delete(c.byToken, p.token)
	}
	metricPolls.Dec()
}

// revoke ends the polls of a token.
func (c *polls) revoke(tokenHash []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	token := string(tokenHash)
	if _, ok := c.revoked[token]; ok {
		return
	}
	if len(c.order) >= maxRevoked {
		delete(c.revoked, c.order[0])
		c.order = c.order[1:]
	}
	c.revoked[token] = struct{}{}
	c.order = append(c.order, token)
	for p := range c.byToken[token] {
		close(p.revoked)
	}
	delete(c.byToken, token)
}

func (p *poll) isRevoked() bool {
	select {
	case <-p.revoked:
		return true
	default:
		return false
	}
}
