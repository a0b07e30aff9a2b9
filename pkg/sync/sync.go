package sync

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/horizon"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/lag"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/pushrules"
)

// Config says what a [Sync] works with, and its bounds.
type Config struct {
	// Pool must reach the primary: what P covers may not have been replayed elsewhere.
	Pool     *pgxpool.Pool
	Bus      *bus.Bus
	Follower *horizon.Follower
	// PushRules returns the content of a user's m.push_rules; default pushrules.Default.
	PushRules func(id.UserID) json.RawMessage
	// MaxTimeout bounds how long a request waits for news; default 30 s, less than what a gateway that stops gives the
	// requests in progress.
	MaxTimeout time.Duration
	// IdleUser is how long a user's model stays without a request; default 10 minutes.
	IdleUser time.Duration
	// MaxRooms and MaxRoomBytes bound the room models in memory; default 20,000 and 256 MiB. Those in use may exceed them.
	MaxRooms     int
	MaxRoomBytes int
}

// A Sync answers /sync.
type Sync struct {
	cfg    Config
	sub    *bus.Subscriber
	want   *interest
	rooms  *rooms
	users  *users
	polls  *polls
	recent *recent
	lag    *lag.Meter
	// tellLag sets the metric.
	tellLag func(seconds float64)

	connected atomic.Bool  // the bus brings bodies
	applied   atomic.Int64 // the P that the models have noted

	mu       sync.Mutex
	moved    chan struct{} // closed when applied moves
	draining chan struct{} // closed when requests are to end
	drain    sync.Once
}

// New makes the role. It listens to cfg.Follower, which must not run yet.
func New(cfg Config) *Sync {
	if cfg.PushRules == nil {
		cfg.PushRules = pushrules.Default
	}
	if cfg.MaxTimeout == 0 {
		cfg.MaxTimeout = 30 * time.Second
	}
	if cfg.IdleUser == 0 {
		cfg.IdleUser = 10 * time.Minute
	}
	if cfg.MaxRooms == 0 {
		cfg.MaxRooms = 20_000
	}
	if cfg.MaxRoomBytes == 0 {
		cfg.MaxRoomBytes = 256 << 20
	}
	s := &Sync{
		cfg: cfg, polls: newPolls(), recent: &recent{max: maxRecent}, lag: &lag.Meter{}, tellLag: metricLag.Set,
		want: newInterest(), moved: make(chan struct{}), draining: make(chan struct{}),
	}
	s.applied.Store(-1)
	s.sub = cfg.Bus.Subscribe(bus.Handler{
		Room: s.hearRoom, User: s.hearUsers,
		Connected:    func() { s.connected.Store(true) },
		Disconnected: func() { s.connected.Store(false) },
	})
	s.rooms = newRooms(cfg.MaxRooms, cfg.MaxRoomBytes, s.want)
	s.users = newUsers(s.want)
	cfg.Follower.OnAdvance(s.advance)
	return s
}

// Handler serves GET /_matrix/client/v3/sync and its r0 form to the identity in the request's context.
func (s *Sync) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"/_matrix/client/v3/sync", "/_matrix/client/r0/sync"} {
		mux.Handle("GET "+path, mxhttp.HandlerFunc(s.serve))
		mux.Handle(path, mxhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return mxerr.MethodNotAllowed() }))
	}
	mux.Handle("/", mxhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return mxerr.Unrecognized() }))
	return mux
}

// Run receives bodies and keeps the caches bounded until ctx ends; then all waiting requests are answered at once.
func (s *Sync) Run(ctx context.Context) error {
	defer s.Drain()
	parent := ctx
	ctx, cancel := context.WithCancel(parent)
	done := make(chan error, 1)
	go func() { done <- s.sub.Run(ctx) }()
	told := make(chan struct{})
	go func() { defer close(told); s.want.run(ctx, s.sub) }()
	defer func() {
		cancel()
		<-told
	}()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	s.tellLag(s.lagSeconds())
	expire := time.Now()
	for {
		select {
		case <-ctx.Done():
			s.Drain()
			return <-done
		case err := <-done:
			if err == nil && parent.Err() == nil {
				err = errors.New("the subscription ended")
			}
			return err
		case <-ticker.C:
			s.tellLag(s.lagSeconds())
			if time.Since(expire) >= min(time.Minute, s.cfg.IdleUser) {
				expire = time.Now()
				s.users.expire(s.cfg.IdleUser)
			}
		}
	}
}

// Drain answers waiting requests at once, with nothing and the token they came with, and no request waits any more.
func (s *Sync) Drain() { s.drain.Do(func() { close(s.draining) }) }

// Lag returns the age of the oldest position at or below P that a request waits for and that is not processed; an error
// if P itself is not known well enough to say.
func (s *Sync) Lag() (time.Duration, error) {
	if !s.cfg.Follower.Fresh() {
		return 0, errors.New("the horizon was not heard of within a second")
	}
	return s.lag.Oldest(), nil
}

// lagSeconds is the lag as a metric: not a number while it is not known, for a 0 says that nothing waits.
func (s *Sync) lagSeconds() float64 {
	oldest, err := s.Lag()
	if err != nil {
		return math.NaN()
	}
	return oldest.Seconds()
}

// at returns the P that was applied, and a channel that is closed when it moves.
func (s *Sync) at() (position.Position, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return position.Position(s.applied.Load()), s.moved
}
