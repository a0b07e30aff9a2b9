package keyring

import (
	"crypto/ed25519"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
)

// maxQueries bounds what is remembered of queries to notaries about one server.
const maxQueries = 256

// A server is what memory holds of another server: its keys as Postgres had them, and when it may be asked.
type server struct {
	name id.ServerName

	mu      sync.RWMutex
	keys    map[string]remoteKey // replaced, never changed
	latest  int64                // the newest answer by the server itself that this worker got; milliseconds since 1970
	ask     attempt
	queries map[string]attempt // by notary and key id
}

// An attempt says when the next one may be made.
type attempt struct {
	next     time.Time
	failures int
	err      error
}

func (a attempt) after(now time.Time, err error) attempt {
	if err == nil {
		return attempt{next: now.Add(repeat)}
	}
	return attempt{next: now.Add(min(maxBackOff, firstBackOff<<min(a.failures, 10))), failures: a.failures + 1, err: err}
}

// A verdict says what is known about a key.
type verdict int

const (
	missing  verdict = iota // not known
	found                   // known and good
	aged                    // good, but to be asked for again
	outdated                // known, but not valid then as far as is known
	refused                 // known, and not valid then
)

func (s *server) find(l Lookup, now time.Time) (ed25519.PublicKey, verdict) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k, ok := s.keys[l.KeyID]
	switch {
	case !ok:
		return nil, missing
	case l.For == ForOldEvent:
		return k.public, found
	case k.expired > 0 && (l.For == ForRequest || l.At > k.expired):
		return nil, refused
	case l.At > k.until():
		return nil, outdated
	case l.For == ForRequest && k.stale(now.UnixMilli()):
		return k.public, aged
	default:
		return k.public, found
	}
}

// current returns the keys that are valid now.
func (s *server) current(now time.Time) []remoteKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var keys []remoteKey
	for _, k := range s.keys {
		if k.expired == 0 && now.UnixMilli() <= k.asOf {
			keys = append(keys, k)
		}
	}
	return keys
}

// named reports whether the newest answer of the server itself, which this worker got, names the key: nobody else has
// to be asked then.
func (s *server) named(keyID string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.latest > 0 && s.keys[keyID].fetched >= s.latest
}

func (s *server) set(keys map[string]remoteKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
}

func (s *server) snapshot() map[string]remoteKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.keys
}

func (s *server) mayAsk(now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !now.Before(s.ask.next)
}

func (s *server) asked(now time.Time, answer *response, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ask = s.ask.after(now, err)
	if err == nil {
		s.latest = answer.keys[0].fetched
	}
}

// failed returns why the server could not be asked the last time.
func (s *server) failed() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ask.err
}

func (s *server) mayQuery(query string, now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !now.Before(s.queries[query].next)
}

func (s *server) queried(query string, now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queries == nil || len(s.queries) >= maxQueries {
		before := s.queries[query]
		s.queries = map[string]attempt{query: before}
	}
	s.queries[query] = s.queries[query].after(now, err)
}

func (s *server) queryFailed(query string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.queries[query].err
}
