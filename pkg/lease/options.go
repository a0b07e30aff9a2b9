package lease

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Space is the lease space of event persister shards.
const Space = "room"

// RolePersister is the role whose workers own the shards of [Space].
const RolePersister = "persister"

// Self is what a worker says about itself when it joins.
type Self struct {
	Pod      string   // name of the pod, or of the process outside Kubernetes; two live workers never share it
	Addr     string   // host:port of the internal listener, which must accept connections before Join
	Pool     string   // name of the WorkerPool
	Roles    []string // what it does
	Protocol int      // newest protocol between workers that it speaks
}

// Options of [Join]. The zero value works for a worker that owns no shards and has no peers.
type Options struct {
	Holder     Holder                // who serves the shards; see also [Manager.SetHolder]
	Peer       Peer                  // how to talk to other workers; nil: changes are noticed by heartbeat
	Logger     *slog.Logger          // nil: slog.Default()
	Registerer prometheus.Registerer // where metrics go; nil: nowhere

	timing timing // zero fields take their defaults; tests change some
	clock  clock  // nil: the machine's
}

// Holder serves the shards that this worker owns. Calls for one shard never overlap; calls for different shards may.
type Holder interface {
	// Quiesce stops accepting work for the shard (requests wait) and returns once the block in flight has a known
	// outcome. The lease is still held. What follows is either Lost, or Granted, which means "go on".
	// It must return soon after ctx ends.
	Quiesce(ctx context.Context, shard int) error
	// Granted says that this worker owns the shard with this epoch. If the epoch is the one it had, or the shard was
	// quiesced and Lost was not called, nobody else wrote in between and what is in memory still holds. Else the shard's
	// rooms and map are to be loaded after this call. It must not block.
	Granted(shard int, epoch int64)
	// Lost says that this worker no longer owns the shard: drop what is in memory, send who waits to the owner that
	// [Manager.Table] names. It may come without Quiesce. It must not block.
	Lost(shard int)
}

// Progress may be implemented by a [Holder] that can tell when it hangs. A worker that has hung for 3.5 s while its heart
// beats declares itself dead, gives all its shards to others, and Run returns ErrDeclaredDead.
type Progress interface {
	// Stalled returns for how long the holder has got nothing done though there was something to do; 0: it gets on.
	// Waiting for a connection to the database counts, a database that answers does not. It should return at once: a
	// call that does not return counts as hanging, too.
	Stalled() time.Duration
}

// Peer carries wake-ups and probes between workers. Neither is trusted: they only make this worker look at the database.
type Peer interface {
	// Nudge makes the worker at addr call [Manager.Nudged].
	Nudge(ctx context.Context, addr string) error
	// Probe asks the worker at viaAddr to dial targetAddr; with viaAddr "" this process dials itself. dead is true if
	// the dial was refused or reset, or if a worker other than targetID answered. ErrNoAnswer means that whoever dialled
	// got no answer within a second; any other error, that it is not known.
	Probe(ctx context.Context, viaAddr, targetAddr string, targetID int64) (dead bool, err error)
}

// timing holds every period of the package. Safety rests on none of them.
type timing struct {
	heartbeat    time.Duration // between two heartbeats
	ttl          time.Duration // a heartbeat counts this long, on the database clock
	fence        time.Duration // without an answer this long, own leases count as lost, on the monotonic clock
	statement    time.Duration // bound of one statement or short transaction
	quiesce      time.Duration // bound of Holder.Quiesce
	unclaimed    time.Duration // an owner that has not claimed a shard this long may lose it to anyone
	confirm      time.Duration // from a refused dial to its confirmation
	probe        time.Duration // bound of one probe or nudge
	stuck        time.Duration // without progress this long, this worker gives up
	leaderTTL    time.Duration // of the balancer, on the database clock
	watch        time.Duration // first pause before the balancer looks how its moves go
	movesAtOnce  int           // moves in flight per worker, given and taken together
	shun         time.Duration // a worker that left a shard unclaimed is planned no moves this long
	keepDead     time.Duration // rows of dead workers are kept this long
	pruneEvery   time.Duration
	nudgeWorkers int // nudges at a time
}

func (t timing) withDefaults() timing {
	return timing{
		heartbeat:    cmp.Or(t.heartbeat, time.Second),
		ttl:          cmp.Or(t.ttl, 3*time.Second),
		fence:        cmp.Or(t.fence, 2500*time.Millisecond),
		statement:    cmp.Or(t.statement, time.Second),
		quiesce:      cmp.Or(t.quiesce, 3*time.Second),
		unclaimed:    cmp.Or(t.unclaimed, 2*time.Second),
		confirm:      cmp.Or(t.confirm, 250*time.Millisecond),
		probe:        cmp.Or(t.probe, 500*time.Millisecond),
		stuck:        cmp.Or(t.stuck, 3500*time.Millisecond),
		leaderTTL:    cmp.Or(t.leaderTTL, 3*time.Second),
		watch:        cmp.Or(t.watch, 20*time.Millisecond),
		movesAtOnce:  cmp.Or(t.movesAtOnce, 4),
		shun:         cmp.Or(t.shun, 30*time.Second),
		keepDead:     cmp.Or(t.keepDead, 24*time.Hour),
		pruneEvery:   cmp.Or(t.pruneEvery, time.Hour),
		nudgeWorkers: cmp.Or(t.nudgeWorkers, 8),
	}
}
