package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/lag"
)

var (
	// ErrDeclaredDead is what Run returns after another worker took over from this one. The process must end; its
	// successor joins with a new id.
	ErrDeclaredDead = errors.New("another worker declared this one dead")
	// errStuck is the ErrDeclaredDead of a worker that declared itself dead.
	errStuck = fmt.Errorf("shards made no progress: %w", ErrDeclaredDead)
	// ErrNoAnswer is in the error of a [Peer.Probe] whose target stayed mute.
	ErrNoAnswer = errors.New("the worker does not answer")
	// ErrStopped is returned by what needs Run once Run has returned.
	ErrStopped = errors.New("the lease manager has stopped")
	// ErrNoSuchShard is returned for a shard that has no row.
	ErrNoSuchShard = errors.New("no such shard")
	// ErrProtocol is returned by Join where the database requires a newer protocol than this build speaks.
	ErrProtocol = errors.New("this build is too old for the database's other workers")
	// ErrUnfit is returned by Move for a destination that isn't a live persister, or is cordoned.
	ErrUnfit = errors.New("the worker can't be given shards")
	// ErrNotYet is returned by Move when its time is over before the new owner serves the shard. The move may still be
	// under way.
	ErrNotYet = errors.New("the new owner doesn't serve the shard yet")
)

// ApplicationName is what the direct database sessions of a worker's lanes must be called, so that a takeover can end them.
func ApplicationName(worker int64) string { return "myelin-" + strconv.FormatInt(worker, 10) }

// Manager is this worker's membership: its row, its leases, and what it knows of the others. Its methods may be called
// concurrently.
type Manager struct {
	id      int64
	self    Self
	rows    rows
	peer    Peer
	holder  Holder
	measure func() lag.Reading // set before Run; nil: nothing is told
	log     *slog.Logger
	metrics *metrics
	timing  timing
	clock   clock

	start   time.Time                     // what the durations below count from, on clock
	table   atomic.Pointer[Table]         // replaced under mu; never nil after Join
	held    atomic.Pointer[map[int]int64] // epochs of the shards granted to Holder; replaced under mu
	fence   atomic.Int64                  // own leases count until here
	steady  atomic.Int64                  // heartbeats have succeeded, and been on time, since here
	raising atomic.Int64                  // raises that may be waiting for rows that somebody else has locked
	raised  atomic.Int64                  // when the last that did had done so
	beaten  atomic.Int64                  // when the last heartbeat that succeeded was sent
	missed  atomic.Int64                  // somebody's heartbeat will have expired then, before the next beat; 0: nobody's
	leaving atomic.Bool
	left    atomic.Bool // Drain is writing or has written that this worker is dead

	observing atomic.Bool // Observe runs: the table is read though Run has returned

	generation atomic.Int64             // of the database
	resets     []func(generation int64) // see OnReset; set before Run
	served     int64                    // the generation of what is in memory; steering's
	told       int                      // of which newer protocol the log was told; the heartbeat's

	kicked    chan struct{} // beat now
	woken     chan struct{} // steer now
	quiesced  chan struct{} // there are transfers waiting
	suspected chan suspicion
	nudges    chan int64
	stopped   chan struct{} // closed when Run returns
	group     sync.WaitGroup

	mu       sync.Mutex
	lastRead reading           // of the database's clock, by the last beat
	next     *round            // whom the next beat serves
	life     life              // of the last answer that was taken in
	back     setBack           // what the last beat found, if that
	digests  digests           // of the last answer
	busy     map[int]int       // shards in a handoff or a raise: steering leaves them alone
	retry    map[int]time.Time // when a handoff that failed may be tried again
	waiting  []*transfer       // for the next transfer statement
	suspects map[int64]bool    // suspicions that are being looked into
	leader   leadership
}

// Join inserts this worker's row and reads the table. Run must follow within the heartbeat's time to live (3 s).
// The internal listener at self.Addr must already accept connections, else peers take the worker for dead. pool needs
// two connections or more: the heartbeat keeps one.
func Join(ctx context.Context, pool *pgxpool.Pool, self Self, opts Options) (*Manager, error) {
	if self.Pod == "" || self.Addr == "" || len(self.Roles) == 0 {
		return nil, errors.New("join: pod, addr and roles are required")
	}
	timing, clock := opts.timing.withDefaults(), opts.clock
	if clock == nil {
		clock = machineClock{}
	}
	m := &Manager{
		self: self, peer: opts.Peer, holder: opts.Holder, log: opts.Logger, timing: timing,
		metrics: newMetrics(opts.Registerer),
		clock:   clock, start: clock.Now(),
		kicked:    make(chan struct{}, 1),
		woken:     make(chan struct{}, 1),
		quiesced:  make(chan struct{}, 1),
		suspected: make(chan suspicion, 64),
		nudges:    make(chan int64, 1024),
		stopped:   make(chan struct{}),
		next:      &round{done: make(chan struct{})},
		busy:      map[int]int{},
		retry:     map[int]time.Time{},
		suspects:  map[int64]bool{},
	}
	if m.log == nil {
		m.log = slog.Default()
	}
	m.held.Store(&map[int]int64{})
	m.table.Store(&Table{rooms: &roomMap{}, changed: make(chan struct{})})
	m.rows = rows{pool: pool, timing: timing, clock: clock}
	if err := m.enroll(ctx); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	m.rows.me = m.id
	m.log = m.log.With("worker", m.id)
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	defer conn.Release()
	if err := m.beat(ctx, conn); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	m.served = m.Generation()
	return m, nil
}

// SetHolder sets who serves the shards, where that one needs the Manager to be built. Call it before Run.
func (m *Manager) SetHolder(h Holder) { m.holder = h }

// SetMeasure sets what each heartbeat asks for this worker's lag, to be told with it. It must return at once. Call it before
// Run.
func (m *Manager) SetMeasure(measure func() lag.Reading) { m.measure = measure }

// ID returns this worker's id.
func (m *Manager) ID() int64 { return m.id }

// Table returns what is known now. It never returns nil.
func (m *Manager) Table() *Table { return m.table.Load() }

// Changed returns a channel that is closed when a table newer than the present one is there. Take the channel first,
// then look at Table, then wait.
func (m *Manager) Changed() <-chan struct{} { return m.table.Load().changed }

// OwnLease returns the epoch at which this worker holds the shard. It is false before Granted and after Lost, once the
// table shows a later epoch, and while no heartbeat has succeeded for 2.5 s: then answer nothing from memory. True is no
// proof: only the write's own fence, or Verify, is. A Table that is read after OwnLease has a map from rooms to shards
// that is at least as new as the epoch.
func (m *Manager) OwnLease(shard int) (epoch int64, ok bool) {
	epoch, ok = (*m.held.Load())[shard]
	return epoch, ok && m.table.Load().leases[shard].Epoch <= epoch && m.elapsed() < m.fence.Load()
}

// Held returns the epochs of all shards that OwnLease would say are held.
func (m *Manager) Held() map[int]int64 {
	if m.elapsed() >= m.fence.Load() {
		return map[int]int64{}
	}
	return maps.Clone(*m.held.Load())
}

// Verify reads the shard's row and says whether this worker owns it at this epoch: before a refusal that was computed
// from memory. If not, the table is read again soon.
func (m *Manager) Verify(ctx context.Context, shard int, epoch int64) (bool, error) {
	ok, err := m.rows.verify(ctx, shard, epoch, m.Generation())
	if err == nil && !ok {
		m.Nudged()
	}
	return ok, err
}

// Workers reads the workers that are live or leaving from the database, with their age, their lag, and the time that their
// heartbeats have left.
func (m *Manager) Workers(ctx context.Context) ([]Worker, error) { return m.rows.readWorkers(ctx) }

// Run heartbeats, claims and gives shards, and takes over from the dead, until ctx ends (nil) or this worker is declared
// dead, by another or, when it is stuck, by itself (ErrDeclaredDead). After it OwnLease is false. It does not leave: see
// Drain. Call it once.
func (m *Manager) Run(ctx context.Context) error {
	if m.holder == nil && slices.Contains(m.self.Roles, RolePersister) {
		return errors.New("lease: a persister needs a holder")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m.group.Go(func() { cancel(m.beatLoop(ctx)) })
	m.group.Go(func() { m.transferLoop(ctx) })
	m.group.Go(func() { m.nudgeLoop(ctx) })
	m.group.Go(func() {
		if err := m.watchLoop(ctx); err != nil {
			cancel(err)
		}
	})
	m.steerLoop(ctx)
	m.group.Wait()
	m.fence.Store(0)
	close(m.stopped)
	cause := context.Cause(ctx)
	if !errors.Is(cause, ErrDeclaredDead) {
		return nil
	}
	for shard := range *m.held.Load() {
		m.lose(shard)
	}
	return cause
}

// elapsed is the time since start, in ns.
func (m *Manager) elapsed() int64 { return int64(m.since(m.start)) }

// healthy says whether this worker's own heartbeats succeed: only then may it judge others.
func (m *Manager) healthy() bool { return m.elapsed() < m.fence.Load() }

// Silence is how long ago the last heartbeat was sent that was answered.
func (m *Manager) Silence() time.Duration { return time.Duration(m.elapsed() - m.beaten.Load()) }

// hold notes epochs of shards that the database says are this worker's, claimed, in both held and the table.
func (m *Manager) hold(epochs map[int]int64) {
	if len(epochs) == 0 {
		return
	}
	m.mu.Lock()
	held := maps.Clone(*m.held.Load())
	leases := make([]Lease, 0, len(epochs))
	for s, e := range epochs {
		held[s] = e
		m.metrics.epochs.WithLabelValues(strconv.Itoa(s)).Set(float64(e))
		leases = append(leases, Lease{Shard: s, Owner: m.id, Epoch: e, Claimed: true, Target: m.table.Load().Lease(s).Target})
	}
	m.held.Store(&held)
	m.metrics.held.Set(float64(len(held)))
	m.replace(leases, nil)
	m.mu.Unlock()
}

// lose drops a shard and tells the holder, if it was held.
func (m *Manager) lose(shard int) {
	m.mu.Lock()
	_, had := (*m.held.Load())[shard]
	if had {
		held := maps.Clone(*m.held.Load())
		delete(held, shard)
		m.metrics.epochs.DeleteLabelValues(strconv.Itoa(shard))
		m.held.Store(&held)
		m.metrics.held.Set(float64(len(held)))
	}
	m.mu.Unlock()
	if had {
		m.holder.Lost(shard)
	}
}

// learn puts newer lease rows into the table.
func (m *Manager) learn(leases []Lease) {
	if len(leases) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replace(leases, nil)
}

// replace makes a new table; mu is held.
func (m *Manager) replace(leases []Lease, workers []Worker) {
	old := m.table.Load()
	m.table.Store(old.with(leases, workers))
	close(old.changed)
}

// remap reads the map from rooms to shards again if it is older than this.
func (m *Manager) remap(ctx context.Context, now life) error {
	if m.Table().rooms.version >= now.mapVersion {
		return nil
	}
	rooms, err := readRoomMap(ctx, m.rows.pool)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.adoptMap(rooms)
	return nil
}

// adoptMap puts a newer map into the table; mu is held.
func (m *Manager) adoptMap(rooms *roomMap) {
	old := m.table.Load()
	if old.rooms.version >= rooms.version {
		return
	}
	next := old.with(nil, nil)
	next.rooms = rooms
	m.table.Store(next)
	close(old.changed)
}

// occupy keeps steering away from shards until vacate.
func (m *Manager) occupy(shards ...int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range shards {
		m.busy[s]++
	}
}

func (m *Manager) vacate(shards ...int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range shards {
		if m.busy[s]--; m.busy[s] == 0 {
			delete(m.busy, s)
		}
	}
}

func (m *Manager) isBusy(shard int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.busy[shard] > 0
}

// Nudged makes this worker look at the database soon; it doesn't wait. It is what another worker's [Peer.Nudge] ends in.
func (m *Manager) Nudged() { signal(m.kicked) }

// wake makes this worker act soon on what it knows.
func (m *Manager) wake() { signal(m.woken) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
