// Package load keeps a homeserver busy as people would: senders who write at a steady rate whatever the answers take,
// and receivers who long-poll /sync. Everything is recorded in a history.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/test/e2e/history"
	"github.com/myelin-hs/myelin/test/e2e/matrix"
)

// Config of a load.
type Config struct {
	Base      string // base URL of the homeserver
	Secret    string // registration shared secret
	Run       string // names this run's users, so that runs do not meet
	Rooms     int
	Receivers int     // who listen to all rooms
	Rate      float64 // messages a second over all rooms
}

// poll is how long a receiver's /sync waits: well below the deadline by which a request counts as failed.
const poll = 2 * time.Second

// Load is a running load.
type Load struct {
	cfg       Config
	Failures  matrix.Failures
	History   history.History
	rooms     []*room
	receivers []*matrix.Client
	observe   func(took time.Duration)
}

// room has one sender of its own, whose messages go one after the other.
type room struct {
	id     string
	sender *matrix.Client
	mu     sync.Mutex // held while a message is under way
	seq    int
	behind atomic.Int64 // messages that were due while one was under way
}

// Transport that keeps enough connections, and does not hide a failure.
func Transport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: matrix.Deadline}).DialContext,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     30 * time.Second,
	}
}

// New registers users, makes the rooms and lets everybody join. observe, if not nil, is told how long each
// acknowledged send took.
func New(ctx context.Context, cfg Config, observe func(time.Duration)) (*Load, error) {
	if observe == nil {
		observe = func(time.Duration) {}
	}
	l := &Load{cfg: cfg, observe: observe}
	transport := Transport()
	for i := range cfg.Receivers {
		c, err := matrix.Register(ctx, cfg.Base, cfg.Secret, fmt.Sprintf("%s-receiver-%d", cfg.Run, i), transport, &l.Failures)
		if err != nil {
			return nil, err
		}
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
			l.rooms[i] = &room{id: id, sender: sender}
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
	since := ""
	for ctx.Err() == nil {
		answer, err := c.Sync(ctx, since, poll)
		if err != nil {
			var status *matrix.StatusError
			if errors.As(err, &status) && status.Status/100 == 4 {
				return fmt.Errorf("%s: /sync was refused: %w", c.UserID, err)
			}
			select { // counted as failed; the next one asks from the same token
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		for id, joined := range answer.Rooms.Join {
			events := joined.Timeline.Events
			if joined.Timeline.Limited && since != "" {
				gap, err := c.Between(ctx, id, joined.Timeline.PrevBatch, since)
				if err != nil {
					return fmt.Errorf("%s: fill the gap of a limited timeline: %w", c.UserID, err)
				}
				events = append(gap, events...)
			}
			for _, e := range events {
				if e.Type == "m.room.message" {
					l.History.Seen(history.Seen{Receiver: c.UserID, Room: id, Key: e.Content.Body, EventID: e.EventID, At: time.Now()})
				}
			}
		}
		if since == "" {
			ready()
		}
		since = answer.NextBatch
	}
	return nil
}

// Send sends at the configured rate until ctx ends, then waits for what is under way. It is open-loop: a message that
// is due while the room's last one is under way is sent as soon as that is answered.
func (l *Load) Send(ctx context.Context) error {
	tick := time.NewTicker(time.Duration(float64(time.Second) / l.cfg.Rate))
	defer tick.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			r := l.rooms[i%len(l.rooms)]
			if r.behind.Add(1) > 1 {
				continue // whoever sends now goes on
			}
			wg.Go(func() {
				for {
					l.SendOne(context.WithoutCancel(ctx), r.id)
					if r.behind.Add(-1) == 0 || ctx.Err() != nil {
						r.behind.Store(0)
						return
					}
				}
			})
		}
	}
}

// SendOne sends the room's next message and records its outcome.
func (l *Load) SendOne(ctx context.Context, id string) error {
	for _, r := range l.rooms {
		if r.id == id {
			return l.send(ctx, r)
		}
	}
	return fmt.Errorf("no room %s", id)
}

func (l *Load) send(ctx context.Context, r *room) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	key := fmt.Sprintf("%s/%s/%d", l.cfg.Run, r.id, r.seq)
	start := time.Now()
	event, err := r.sender.Send(ctx, r.id, key)
	if err == nil {
		l.observe(time.Since(start))
	}
	l.History.Sent(history.Sent{
		Room: r.id, Sender: r.sender.UserID, Key: key, Seq: r.seq, EventID: event, Called: start, Answered: time.Now(),
	})
	return err
}

// Settle waits until every acknowledged message reached every receiver, or no more arrive for patience.
func (l *Load) Settle(ctx context.Context, patience time.Duration) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last, since := -1, time.Now()
	for {
		left := l.History.Outstanding()
		if left == 0 || left == last && time.Since(since) > patience {
			return
		}
		if left != last {
			last, since = left, time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
