package persister

import (
	"context"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/lease"
)

// Leases is what a persister asks about the ownership of shards: see [LeasesOf].
type Leases interface {
	// ID returns this worker's id.
	ID() int64
	// ShardOf returns the shard that a room belongs to, by a map that is at least as new as what OwnLease said before.
	ShardOf(room id.RoomID) int
	// OwnLease returns the epoch under which this worker may serve the shard now; false after a loss or a self-fence.
	OwnLease(shard int) (epoch int64, ok bool)
	// Verify reads the lease row and reports whether this worker still owns the shard with this epoch.
	Verify(ctx context.Context, shard int, epoch int64) (bool, error)
	// Refresh reads all lease rows now.
	Refresh(ctx context.Context) error
	// Raise raises the epochs of shards by compare-and-set, given those that a block of unknown outcome carried. When it
	// returns nil, the block is either committed or never will be. It returns the new epochs of what is still owned.
	Raise(ctx context.Context, shards map[int]int64) (map[int]int64, error)
	// Generation returns the database's present life as far as is known. What was read or written in an earlier one may be
	// gone.
	Generation() int64
	// OwnerOf returns who owns the shard as far as is known.
	OwnerOf(shard int) Owner
}

// An Owner is a hint where to send the writes of a shard.
type Owner struct {
	Worker int64  // 0 for nobody
	Addr   string // host:port of its internal listener; empty if not known
	Epoch  int64
	// Claimed says that it serves the shard, or did before it lost its lease.
	Claimed bool
}

// Publisher carries copies of committed blocks to readers; *bus.Bus is one. What it loses they read from Postgres.
type Publisher interface {
	PublishBlock(ctx context.Context, rooms []bus.RoomBlock, users []bus.UserBlock, poke bool) error
}

// LeasesOf is the Leases of a worker that has joined.
func LeasesOf(m *lease.Manager) Leases { return managed{m} }

type managed struct{ *lease.Manager }

func (m managed) ShardOf(room id.RoomID) int { return m.Table().ShardOf(room) }

func (m managed) OwnerOf(shard int) Owner {
	t := m.Table()
	l := t.Lease(shard)
	w, _ := t.Worker(l.Owner)
	return Owner{Worker: l.Owner, Addr: w.Addr, Epoch: l.Epoch, Claimed: l.Claimed}
}
