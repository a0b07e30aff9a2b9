package route

import "sync"

// Bounds of what waits for one shard, and for all together.
const (
	maxParked      = 1000
	maxParkedBytes = 8 << 20
	maxTotal       = 5000
	maxTotalBytes  = 64 << 20
)

// noShard is where requests are parked that wait for any worker of a role.
const noShard = -1

// parking counts the requests that wait for each shard.
type parking struct {
	mu     sync.Mutex
	shards map[int]*lot
	total  lot
}

type lot struct{ requests, bytes int }

// enter counts a request of so many bytes; false if the shard's lot is full, or all together are.
func (p *parking) enter(shard, bytes int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.shards[shard]
	if l == nil {
		l = &lot{}
		if p.shards == nil {
			p.shards = make(map[int]*lot)
		}
		p.shards[shard] = l
	}
	if l.requests >= maxParked || l.bytes+bytes > maxParkedBytes ||
		p.total.requests >= maxTotal || p.total.bytes+bytes > maxTotalBytes {
		p.tidy(shard)
		return false
	}
	l.add(1, bytes)
	p.total.add(1, bytes)
	metricParked.Inc()
	return true
}

func (p *parking) leave(shard, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shards[shard].add(-1, -bytes)
	p.total.add(-1, -bytes)
	p.tidy(shard)
	metricParked.Dec()
}

// tidy forgets an empty lot.
func (p *parking) tidy(shard int) {
	if p.shards[shard].requests == 0 {
		delete(p.shards, shard)
	}
}

func (l *lot) add(requests, bytes int) {
	l.requests += requests
	l.bytes += bytes
}
