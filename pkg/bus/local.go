package bus

import (
	"context"
	"sync"
)

// localQueue bounds what a slow subscriber can have waiting; beyond it messages are lost, as they are with Redis.
const localQueue = 4096

// Local is a bus within this process.
func Local() *Bus { return &Bus{transport: &local{streams: map[*localStream]struct{}{}}} }

type local struct {
	mu      sync.RWMutex
	streams map[*localStream]struct{} // those that run
}

type localStream struct {
	bus      *local
	mu       sync.RWMutex
	channels map[string]struct{}
	queue    chan message
}

func (l *local) publish(_ context.Context, batches ...[]message) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, batch := range batches {
		for _, m := range batch {
			for s := range l.streams {
				s.offer(m)
			}
		}
	}
	return nil
}

// offer queues the message if the subscriber wants it, and has room.
func (s *localStream) offer(m message) {
	s.mu.RLock()
	_, interested := s.channels[m.channel]
	s.mu.RUnlock()
	if interested {
		select {
		case s.queue <- m:
		default:
		}
	}
}

func (l *local) subscribe() stream {
	return &localStream{bus: l, channels: map[string]struct{}{}, queue: make(chan message, localQueue)}
}

func (l *local) check(context.Context) error { return nil }

func (l *local) close() error { return nil }

func (s *localStream) add(_ context.Context, channels []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range channels {
		s.channels[c] = struct{}{}
	}
}

func (s *localStream) remove(_ context.Context, channels []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range channels {
		delete(s.channels, c)
	}
}

func (s *localStream) run(ctx context.Context, message func(string, []byte), up, down func()) error {
	s.bus.mu.Lock()
	s.bus.streams[s] = struct{}{}
	s.bus.mu.Unlock()
	defer func() {
		s.bus.mu.Lock()
		delete(s.bus.streams, s)
		s.bus.mu.Unlock()
	}()
	up()
	defer down()
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-s.queue:
			message(m.channel, m.payload)
		}
	}
}
