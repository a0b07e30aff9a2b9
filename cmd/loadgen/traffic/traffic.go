// Package traffic is what users of a homeserver do, as the load generator plays it: accounts, rooms, requests of several
// kinds at a steady rate, and listeners who see whether what was sent arrives.
package traffic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
)

// Config of a load.
type Config struct {
	Profile Profile
	Size    Size
	// Account makes the account of this number and name, or takes one that is there.
	Account func(ctx context.Context, number int, name string) (*matrix.Client, error)
	// Rooms are rooms that are there, with all users as members; none: as many are made as Size says.
	Rooms []string
	Run   string // names this run's users, so that runs do not meet
	Body  int    // bytes of a message's text, at least
	// InFlight is how many requests are under way at once at most, Backlog how many more may wait; beyond, they fail.
	InFlight, Backlog int
	// Deadline of each request; 0: matrix.Deadline.
	Deadline time.Duration
	// Ready is how long the listeners may take until each has its first answer; 0: the constant of that name.
	Ready time.Duration
	// Say tells how preparing gets on; nil: nobody is told.
	Say func(format string, args ...any)
}

// A Load is users and rooms on a homeserver. One trial is played at a time.
type Load struct {
	cfg       Config
	users     []*user
	listeners []*user
	rooms     []*room
	index     map[string]int // of rooms by id
	mix       []Share        // what is served of the profile's
	unserved  []Share
	trials    int
	trial     atomic.Pointer[trial] // nil: none is under way
	deaf      chan struct{}         // closed when the listeners have given up; nil: they do not
	trouble   trouble
}

// user is who makes requests. mu is held while one syncs.
type user struct {
	*matrix.Client
	number int // of a listener
	mu     sync.Mutex
	since  string
	rooms  []string // joined; only where the profile has first syncs
}

type room struct {
	id      string
	members []*user
	last    atomic.Pointer[string] // the newest event that was acknowledged
}

// Check says what is wrong with a size.
func (s Size) Check() error {
	switch {
	case s.Rooms < 1 || s.Rooms > 100_000:
		return errors.New("rooms must be between 1 and 100000")
	case s.Users < 1 || s.Users > 100_000:
		return errors.New("users must be between 1 and 100000")
	case s.Members < 1 || s.Members > s.Users:
		return fmt.Errorf("members of a room must be between 1 and the number of users, %d", s.Users)
	case s.Listeners < 0 || s.Listeners > 10_000:
		return errors.New("listeners must be between 0 and 10000")
	}
	return nil
}

// New makes accounts and rooms, lets everybody join, and finds out which requests of the profile are served.
func New(ctx context.Context, cfg Config) (*Load, error) {
	if cfg.Say == nil {
		cfg.Say = func(string, ...any) {}
	}
	if cfg.Profile.has(Sync) {
		// Who syncs is a listener, so it has to be in all rooms.
		cfg.Size.Members, cfg.Size.Listeners = cfg.Size.Users, 0
	}
	if err := cfg.Size.Check(); err != nil {
		return nil, err
	}
	l := &Load{cfg: cfg, index: map[string]int{}}
	if err := l.makeUsers(ctx); err != nil {
		return nil, err
	}
	if len(cfg.Rooms) > 0 {
		l.takeRooms()
	} else if err := l.makeRooms(ctx); err != nil {
		return nil, err
	}
	if cfg.Profile.has(Sync) {
		l.listeners = l.users
	}
	if cfg.Profile.has(FirstSync) {
		for _, r := range l.rooms {
			for _, u := range r.members {
				u.rooms = append(u.rooms, r.id)
			}
		}
	}
	return l, l.probe(ctx)
}

func (l *Load) makeUsers(ctx context.Context) error {
	n := l.cfg.Size.Users + l.cfg.Size.Listeners
	l.cfg.Say("%d accounts", n)
	all := make([]*user, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range all {
		group.Go(func() error {
			c, err := l.cfg.Account(ctx, i, fmt.Sprintf("%s-%d", l.cfg.Run, i))
			if err != nil {
				return err
			}
			c.Deadline = l.cfg.Deadline
			all[i] = &user{Client: c}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	l.users, l.listeners = all[:l.cfg.Size.Users], all[l.cfg.Size.Users:]
	for i, u := range l.listeners {
		u.number = i
	}
	if l.cfg.Profile.has(Sync) {
		for i, u := range l.users {
			u.number = i
		}
	}
	return nil
}

// takeRooms takes rooms that are there.
func (l *Load) takeRooms() {
	for i, id := range l.cfg.Rooms {
		l.rooms = append(l.rooms, &room{id: id, members: l.users})
		l.index[id] = i
	}
}

// membersOf are those of the room of this number, the one who makes it first.
func (l *Load) membersOf(room int) []*user {
	var all []*user
	for j := range l.cfg.Size.Members {
		all = append(all, l.users[(room+j)%l.cfg.Size.Users])
	}
	return all
}

// makeRooms makes room i the one of user i, and lets the users after that one join, and all listeners.
func (l *Load) makeRooms(ctx context.Context) error {
	size := l.cfg.Size
	l.cfg.Say("%d rooms of %d", size.Rooms, size.Members+size.Listeners)
	l.rooms = make([]*room, size.Rooms)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range l.rooms {
		group.Go(func() error {
			r := &room{members: l.membersOf(i)}
			others := append(append([]*user{}, r.members[1:]...), l.listeners...)
			invite := make([]string, len(others))
			for j, u := range others {
				invite[j] = u.UserID
			}
			var err error
			if r.id, err = r.members[0].CreateRoom(ctx, fmt.Sprintf("%s room %d", l.cfg.Run, i), invite); err != nil {
				return fmt.Errorf("create room %d: %w", i, err)
			}
			for _, u := range others {
				if err := u.Join(ctx, r.id); err != nil {
					return fmt.Errorf("join room %d: %w", i, err)
				}
			}
			l.rooms[i] = r
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, r := range l.rooms {
		l.index[r.id] = i
	}
	return nil
}

// Users returns the clients of those who make requests: user i is the first member of room i.
func (l *Load) Users() []*matrix.Client {
	all := make([]*matrix.Client, len(l.users))
	for i, u := range l.users {
		all[i] = u.Client
	}
	return all
}

// Mix returns which requests are made, and which of the profile's are not served.
func (l *Load) Mix() (served, unserved []Share) { return l.mix, l.unserved }

// probe makes one request of each kind, and leaves out what the server does not know.
func (l *Load) probe(ctx context.Context) error {
	l.mix, l.unserved = nil, nil
	t := newTrial(l, 0)
	for _, s := range l.cfg.Profile.Mix {
		err := t.request(ctx, s.Kind, 0, time.Now())
		switch {
		case err == nil:
			l.mix = append(l.mix, s)
		case matrix.Unserved(err):
			l.unserved = append(l.unserved, s)
		default:
			return fmt.Errorf("try a %s: %w", s.Kind, err)
		}
	}
	if len(l.mix) == 0 {
		return errors.New("the server serves none of the profile's requests")
	}
	return nil
}
