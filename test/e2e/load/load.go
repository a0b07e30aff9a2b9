// Package load keeps a homeserver busy as people would: senders who write at a steady rate whatever the answers take,
// and receivers who long-poll /sync. Everything is recorded in a history.
package load

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/test/e2e/history"
)

// Config of a load.
type Config struct {
	Base      string // base URL of the homeserver
	Secret    string // registration shared secret
	Run       string // names this run's users, so that runs do not meet
	Rooms     int
	Receivers int     // who listen to all rooms
	Rate      float64 // messages a second over all rooms
	Writers   int     // who write to each room, its creator among them; the others are receivers; default 1
	// StateEvery makes every so manieth message of a writer the room's topic instead, which a receiver then asks for; 0:
	// none. Only creators set topics.
	StateEvery int
	// Retry is for how long a message that failed is sent again under its transaction id, as Matrix clients do; 0: it is
	// not. Each attempt that fails is counted.
	Retry time.Duration
	// Deadline of each request; default matrix.Deadline.
	Deadline time.Duration
	// Transport of all requests; default a new [Transport].
	Transport http.RoundTripper
}

// retryAfter is how long a client waits before it sends a message again.
const retryAfter = 50 * time.Millisecond

// Load is a running load.
type Load struct {
	cfg       Config
	Failures  matrix.Failures
	History   history.History
	rooms     []*room
	receivers []*matrix.Client
	observe   func(took time.Duration)
	mu        sync.Mutex
	refusals  []string
}

// room has voices of its own.
type room struct {
	id     string
	voices []*voice // the creator's first
}

// A voice is one user's writing to one room: messages go one after the other.
type voice struct {
	room    string
	client  *matrix.Client
	creator bool
	mu      sync.Mutex // held while a message is under way
	seq     int
	behind  atomic.Int64 // messages that were due while one was under way
}

// Transport that keeps enough connections, and does not hide a failure.
func Transport() *http.Transport { return matrix.Transport(256) }

// New registers users, makes the rooms and lets everybody join. observe, if not nil, is told how long each
// acknowledged send took.
func New(ctx context.Context, cfg Config, observe func(time.Duration)) (*Load, error) {
	if observe == nil {
		observe = func(time.Duration) {}
	}
	l := &Load{cfg: cfg, observe: observe}
	transport := cfg.Transport
	if transport == nil {
		transport = Transport()
	}
	for i := range cfg.Receivers {
		c, err := matrix.Register(ctx, cfg.Base, cfg.Secret, fmt.Sprintf("%s-receiver-%d", cfg.Run, i), transport, &l.Failures)
		if err != nil {
			return nil, err
		}
		c.Deadline = cfg.Deadline
		l.receivers = append(l.receivers, c)
	}
	invite := make([]string, len(l.receivers))
	for i, r := range l.receivers {
		invite[i] = r.UserID
	}
	l.rooms = make([]*room, cfg.Rooms)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	senders := max(1, cfg.Rooms/5)
	clients := make([]*matrix.Client, senders)
	for i := range clients {
		group.Go(func() (err error) {
			clients[i], err = matrix.Register(groupCtx, cfg.Base, cfg.Secret, fmt.Sprintf("%s-sender-%d", cfg.Run, i), transport, &l.Failures)
			if err == nil {
				clients[i].Deadline = cfg.Deadline
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	group, groupCtx = errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range l.rooms {
		group.Go(func() error {
			sender := clients[i%senders]
			id, err := sender.CreateRoom(groupCtx, fmt.Sprintf("%s room %d", cfg.Run, i), invite)
			if err != nil {
				return fmt.Errorf("create room %d: %w", i, err)
			}
			for _, r := range l.receivers {
				if err := r.Join(groupCtx, id); err != nil {
					return fmt.Errorf("join room %d: %w", i, err)
				}
				l.History.Receiver(r.UserID, id)
			}
			l.rooms[i] = &room{id: id, voices: []*voice{{room: id, client: sender, creator: true}}}
			for _, r := range l.receivers[:min(len(l.receivers), max(1, cfg.Writers)-1)] {
				l.rooms[i].voices = append(l.rooms[i].voices, &voice{room: id, client: r})
			}
			return nil
		})
	}
	return l, group.Wait()
}

// Rooms returns the ids of the load's rooms.
func (l *Load) Rooms() []string {
	ids := make([]string, len(l.rooms))
	for i, r := range l.rooms {
		ids[i] = r.id
	}
	return ids
}

// Receive lets the receivers listen until ctx ends. Call it before the first message is sent; started is called once
// each of them has a token.
func (l *Load) Receive(ctx context.Context, started func()) error {
	group, ctx := errgroup.WithContext(ctx)
	var ready sync.WaitGroup
	ready.Add(len(l.receivers))
	for _, r := range l.receivers {
		group.Go(func() error { return l.receive(ctx, r, ready.Done) })
	}
	group.Go(func() error {
		all := make(chan struct{})
		go func() { ready.Wait(); close(all) }()
		select {
		case <-all:
			started()
		case <-ctx.Done():
		}
		return nil
	})
	return group.Wait()
}

func (l *Load) receive(ctx context.Context, c *matrix.Client, ready func()) error {
	return c.Listen(ctx, ready, func(room string, e matrix.Event) {
		if key := e.Key(); key != "" {
			l.History.Seen(history.Seen{Receiver: c.UserID, Room: room, Key: key, EventID: e.EventID, At: time.Now()})
		}
	})
}
