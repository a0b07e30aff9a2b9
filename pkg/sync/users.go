package sync

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// users are the models of the users who sync here, and who of them is in which room.
type users struct {
	interest *interest

	mu     sync.Mutex
	byID   map[id.UserID]*user
	shards map[int]*userShard

	watching sync.Mutex
	watchers map[uint64]map[*user]struct{} // by the hash of a room, who is joined
}

func newUsers(i *interest) *users {
	return &users{interest: i, byID: map[id.UserID]*user{}, shards: map[int]*userShard{}, watchers: map[uint64]map[*user]struct{}{}}
}

// hold returns a user's model, which stays until it is let go. applied is the P that was applied before the call.
func (c *users) hold(userID id.UserID, applied func() position.Position) *user {
	c.mu.Lock()
	defer c.mu.Unlock()
	u, ok := c.byID[userID]
	if !ok {
		number := shard.UserShard(userID)
		x, ok := c.shards[number]
		if !ok {
			x = &userShard{number: number, users: map[id.UserID]*user{}}
			// Before it is registered: what P covers from here on is noted. A little less is harmless.
			x.upto = applied()
			c.shards[number] = x
			c.interest.shard(number, true)
		}
		u = newUser(userID, x)
		c.byID[userID] = u
		x.mu.Lock()
		x.users[userID] = u
		x.mu.Unlock()
		metricUsers.Inc()
	}
	u.mu.Lock()
	u.requests++
	u.used = time.Now()
	u.mu.Unlock()
	return u
}

func (c *users) letGo(u *user) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests--
	u.used = time.Now()
}

// expire removes the users who have been idle for long.
func (c *users) expire(idle time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for userID, u := range c.byID {
		u.mu.Lock()
		keep := u.requests > 0 || time.Since(u.used) < idle
		u.mu.Unlock()
		if keep {
			continue
		}
		delete(c.byID, userID)
		u.shard.mu.Lock()
		delete(u.shard.users, userID)
		gone := len(u.shard.users) == 0
		u.shard.mu.Unlock()
		if gone {
			delete(c.shards, u.shard.number)
			c.interest.shard(u.shard.number, false)
		}
		u.mu.Lock() // nobody can reach the user any more
		for roomID := range u.memberships {
			c.watch(u, standing{room: roomID})
		}
		u.mu.Unlock()
		metricUsers.Dec()
	}
}

// watch makes a user hear of a room exactly while joined.
func (c *users) watch(u *user, s standing) {
	hash := bus.RoomHash(string(s.room))
	c.watching.Lock()
	defer c.watching.Unlock()
	if s.membership.membership == "join" {
		if c.watchers[hash] == nil {
			c.watchers[hash] = map[*user]struct{}{}
		}
		c.watchers[hash][u] = struct{}{}
		return
	}
	delete(c.watchers[hash], u)
	if len(c.watchers[hash]) == 0 {
		delete(c.watchers, hash)
	}
}

// watchersOf adds those who are joined to a room to the set.
func (c *users) watchersOf(hash uint64, set map[*user]struct{}) {
	c.watching.Lock()
	defer c.watching.Unlock()
	maps.Copy(set, c.watchers[hash])
}

func (c *users) shard(number int) *userShard {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shards[number]
}

func (c *users) all() ([]*user, []*userShard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.byID)), slices.Collect(maps.Values(c.shards))
}

// give sets a user's membership, if the user is here. The caller holds the shard's mu.
func (c *users) give(x *userShard, changes []change, userID id.UserID, new standing) []change {
	u, ok := x.users[userID]
	if !ok {
		return changes
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.set(new.room, new.membership) {
		c.watch(u, new)
		changes = append(changes, change{u, new})
	}
	return changes
}

// apply gives the users of a shard what is covered and here, and returns what changed. The caller holds the shard's mu.
func (c *users) apply(x *userShard) (changes []change) {
	for b, ok := x.inbox.next(); ok; b, ok = x.inbox.next() {
		for _, item := range b.Items {
			m := membership{item.Membership, position.Position(item.Position)}
			changes = c.give(x, changes, id.UserID(item.UserID), standing{id.RoomID(item.RoomID), m})
		}
		x.upto = max(x.upto, position.BlockEnd(b.Block))
	}
	return changes
}
