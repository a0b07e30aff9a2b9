package lease

import (
	"slices"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/lag"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// State of a worker's row.
type State int

const (
	Live    State = 1
	Leaving State = 2 // gives away what it owns and is given nothing
	Dead    State = 3 // left, or was declared dead; final
)

func (s State) String() string {
	switch s {
	case Live:
		return "live"
	case Leaving:
		return "leaving"
	default:
		return "dead"
	}
}

// A Worker is one process incarnation. Its id is never used again.
type Worker struct {
	ID        int64
	Pod       string
	Addr      string // host:port of its internal listener
	Pool      string
	Roles     []string
	Protocol  int
	State     State
	Cordoned  bool          // keeps its shards and is given no others: see [Manager.Cordon]
	StartedAt time.Time     // database clock
	ExpiresIn time.Duration // until its heartbeat expires, when this was read; negative: has expired
	// Age, by the database's clock, and Lag, nil if it told none, are there only if Manager.Workers read the worker.
	Age time.Duration
	Lag lag.Reading

	expired bool
}

// HasRole says whether the worker does what role names.
func (w Worker) HasRole(role string) bool { return slices.Contains(w.Roles, role) }

// A Lease is the row of one shard.
type Lease struct {
	Shard   int
	Owner   int64 // 0: nobody
	Epoch   int64 // only grows
	Claimed bool  // the owner knows, and serves
	Target  int64 // where the owner is to move it; 0: nowhere

	unclaimedSince time.Time // local monotonic clock; zero if claimed
}

// Table is what this worker knew of leases and workers at one moment. It is immutable. What it says may be old: it picks
// where to ask, never what to refuse.
type Table struct {
	leases  map[int]Lease
	shards  []int // sorted
	workers map[int64]Worker
	ids     []int64 // sorted
	rooms   *roomMap
	changed chan struct{} // closed when a newer table is there
}

// ShardOf returns the shard that the room belongs to.
func (t *Table) ShardOf(room id.RoomID) int {
	if s, ok := t.rooms.dedicated[room]; ok {
		return int(s)
	}
	return int(t.rooms.slots[shard.Slot(room)])
}

// Lease returns the row of a shard; one without owner and epoch if there is no such shard.
func (t *Table) Lease(shard int) Lease {
	if l, ok := t.leases[shard]; ok {
		return l
	}
	return Lease{Shard: shard}
}

// Leases returns the rows of all shards, by id.
func (t *Table) Leases() []Lease {
	all := make([]Lease, 0, len(t.shards))
	for _, s := range t.shards {
		all = append(all, t.leases[s])
	}
	return all
}

// Worker returns a worker that is live or leaving. All others are dead: false.
func (t *Table) Worker(id int64) (Worker, bool) {
	w, ok := t.workers[id]
	return w, ok
}

// Workers returns all workers that are live or leaving, by id.
func (t *Table) Workers() []Worker {
	all := make([]Worker, 0, len(t.ids))
	for _, i := range t.ids {
		all = append(all, t.workers[i])
	}
	return all
}

// WorkersWithRole returns the live workers that have the role, by id.
func (t *Table) WorkersWithRole(role string) []Worker {
	var some []Worker
	for _, i := range t.ids {
		if w := t.workers[i]; w.State == Live && w.HasRole(role) {
			some = append(some, w)
		}
	}
	return some
}

// persisters returns the ids of the workers that may be given shards, but for one. Where all are cordoned it returns
// them: better theirs than nobody's.
func (t *Table) persisters(except int64) []int64 {
	var ids, cordoned []int64
	for _, i := range t.ids {
		switch w := t.workers[i]; {
		case w.State != Live || w.expired || i == except || !w.HasRole(RolePersister):
		case w.Cordoned:
			cordoned = append(cordoned, i)
		default:
			ids = append(ids, i)
		}
	}
	if len(ids) == 0 {
		return cordoned
	}
	return ids
}

// with returns a table in which newer rows replace older ones: an epoch only grows, so the greater is the newer.
// Rows of one epoch replace each other as they come. workers nil: as they are.
func (t *Table) with(leases []Lease, workers []Worker) *Table {
	n := &Table{
		leases: make(map[int]Lease, len(t.leases)), shards: t.shards,
		workers: t.workers, ids: t.ids,
		rooms: t.rooms, changed: make(chan struct{}),
	}
	for s, l := range t.leases {
		n.leases[s] = l
	}
	for _, l := range leases {
		if old, ok := n.leases[l.Shard]; ok && old.Epoch > l.Epoch {
			continue
		}
		n.leases[l.Shard] = l
	}
	if len(n.leases) != len(n.shards) {
		n.shards = make([]int, 0, len(n.leases))
		for s := range n.leases {
			n.shards = append(n.shards, s)
		}
		slices.Sort(n.shards)
	}
	if workers != nil {
		n.workers = make(map[int64]Worker, len(workers))
		n.ids = make([]int64, 0, len(workers))
		for _, w := range workers {
			n.workers[w.ID] = w
			n.ids = append(n.ids, w.ID)
		}
		slices.Sort(n.ids)
	}
	return n
}
