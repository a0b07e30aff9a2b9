package sync

import (
	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/horizon"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

// advance takes a move of P: it notes in the models which blocks touched them, then lets requests see the new P, then
// wakes those whom the blocks may concern. It only touches memory.
func (s *Sync) advance(a horizon.Advance) {
	if a.Reset {
		s.forget(a.P)
	}
	s.recent.add(a.Blocks)
	concerned := map[*user]struct{}{}
	for _, b := range a.Blocks {
		for _, hash := range b.Rooms {
			for _, r := range s.rooms.touched(hash) {
				r.cover(b.Block)
			}
			s.users.watchersOf(hash, concerned)
		}
		for _, number := range b.UserShards {
			if x := s.users.shard(int(number)); x != nil {
				s.coverShard(x, b.Block, concerned)
			}
		}
	}
	s.mu.Lock()
	s.applied.Store(int64(a.P))
	close(s.moved)
	s.moved = make(chan struct{})
	s.mu.Unlock()

	for _, b := range a.Blocks {
		for _, hash := range b.Revoked {
			s.polls.revoke(hash)
		}
	}
	for u := range concerned {
		u.wake()
	}
}

// coverShard: where the body is not here yet, all users of the shard may be concerned.
func (s *Sync) coverShard(x *userShard, block int64, concerned map[*user]struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.inbox.cover(block)
	if len(x.inbox.want) > maxWanted {
		x.restart(position.BlockEnd(block))
		return // nobody has asked for long
	}
	for _, c := range s.users.apply(x) {
		concerned[c.user] = struct{}{}
	}
	if x.inbox.lacks(block) {
		for _, u := range x.users {
			concerned[u] = struct{}{}
		}
	}
}

// forget drops what was derived from earlier blocks.
func (s *Sync) forget(p position.Position) {
	s.recent.reset(p.Block())
	for _, r := range s.rooms.all() {
		r.reset()
	}
	all, shards := s.users.all()
	for _, x := range shards {
		x.mu.Lock()
		x.restart(p)
		x.mu.Unlock()
	}
	for _, u := range all {
		u.wake()
	}
}

func (s *Sync) hearRoom(b bus.RoomBlock) {
	if r := s.rooms.get(id.RoomID(b.RoomID)); r != nil {
		r.hear(b)
	}
}

func (s *Sync) hearUsers(b bus.UserBlock) {
	x := s.users.shard(b.UserShard)
	if x == nil {
		return
	}
	x.mu.Lock()
	x.inbox.hear(b.Block, b)
	changes := s.users.apply(x)
	x.mu.Unlock()
	for _, c := range changes {
		c.user.wake()
	}
}
