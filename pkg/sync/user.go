package sync

import (
	"sync"
	"time"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

// A membership is how a user stands in a room, and since which event.
type membership struct {
	membership string
	position   position.Position
}

// A user is the model of one user.
type user struct {
	id    id.UserID
	shard *userShard

	mu          sync.Mutex
	busy        chan struct{} // not nil while one request reads Postgres for the user
	resets      int
	loaded      bool
	memberships map[id.RoomID]membership
	greatest    position.Position // of memberships
	filters     map[string]*filter
	changed     chan struct{} // closed when there may be news
	requests    int           // in progress
	used        time.Time
}

func newUser(userID id.UserID, shard *userShard) *user {
	return &user{
		id: userID, shard: shard, memberships: map[id.RoomID]membership{}, filters: map[string]*filter{},
		changed: make(chan struct{}),
	}
}

// set takes a membership; an older one than is known is left out. It reports whether something changed. The caller
// holds mu.
func (u *user) set(roomID id.RoomID, m membership) bool {
	if old, ok := u.memberships[roomID]; ok && old.position >= m.position {
		return false
	}
	u.memberships[roomID] = m
	u.greatest = max(u.greatest, m.position)
	return true
}

// news returns a channel that is closed at the next change after this call.
func (u *user) news() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.changed
}

func (u *user) wake() {
	u.mu.Lock()
	defer u.mu.Unlock()
	close(u.changed)
	u.changed = make(chan struct{})
}

func (u *user) reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.resets++
	u.loaded = false
	u.memberships, u.greatest = map[id.RoomID]membership{}, 0
}

// A standing is a user's membership of one room.
type standing struct {
	room id.RoomID
	membership
}

// standings returns the user's memberships, and the greatest of their positions; false if they must be read first.
func (u *user) standings() ([]standing, position.Position, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]standing, 0, len(u.memberships))
	for roomID, m := range u.memberships {
		all = append(all, standing{roomID, m})
	}
	return all, u.greatest, u.loaded
}

// A userShard receives what is addressed to its users.
type userShard struct {
	number int

	mu     sync.Mutex
	users  map[id.UserID]*user
	busy   chan struct{}
	resets int               // what was read before a restart does not count
	upto   position.Position // everything up to here has been applied to the users
	inbox  inbox[bus.UserBlock]
}

// restart drops what is known of the users; their next requests read them anew, at p or later. The caller holds mu.
func (x *userShard) restart(p position.Position) {
	x.resets++
	x.upto = p
	x.inbox.restart()
	for _, u := range x.users {
		u.reset()
	}
}

// A change is a user's new membership.
type change struct {
	user *user
	standing
}
