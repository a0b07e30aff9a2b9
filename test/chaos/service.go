package main

import (
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/myelin-hs/myelin/test/e2e/load"
)

// A Service is the one address that clients know, as a Kubernetes Service is: requests go to its members in turn.
type Service struct {
	transport *http.Transport
	mu        sync.Mutex
	members   []string
	next      int
}

func newService() *Service { return &Service{transport: load.Transport()} }

// serviceURL is what clients are told; only a Service knows the host.
const serviceURL = "http://service.invalid"

// Add makes a gateway a member, by the host:port of its public listener.
func (s *Service) Add(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.members, addr) {
		s.members = append(s.members, addr)
	}
}

// Remove ends a membership: new requests go elsewhere.
func (s *Service) Remove(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = slices.DeleteFunc(s.members, func(m string) bool { return m == addr })
}

// RoundTrip implements http.RoundTripper.
func (s *Service) RoundTrip(q *http.Request) (*http.Response, error) {
	s.mu.Lock()
	if len(s.members) == 0 {
		s.mu.Unlock()
		return nil, errors.New("the service has no member")
	}
	s.next++
	addr := s.members[s.next%len(s.members)]
	s.mu.Unlock()
	q = q.Clone(q.Context())
	q.URL.Host = addr
	q.Host = addr
	return s.transport.RoundTrip(q)
}
