package route

import "sync"

// Bounds of what waits for one shard.
const (
	maxParked      = 1000
	maxParkedBytes = 8 << 20
)

// parking counts the requests that wait for each shard.
type parking struct {
	mu     sync.Mutex
	shards map[int]*lot
}

type lot struct{ requests, bytes int }

// enter counts a request of so many bytes; false if the shard's lot is full.
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
	if l.requests >= maxParked || l.bytes+bytes > maxParkedBytes {
		return false
	}
	l.requests++
	l.bytes += bytes
	metricParked.Inc()
	return true
}

func (p *parking) leave(shard, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.shards[shard]
	l.requests--
	l.bytes -= bytes
	if l.requests == 0 {
		delete(p.shards, shard)
	}
	metricParked.Dec()
}
