package lease

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Evidence is why a worker is suspected to be dead.
type Evidence int

const (
	// Refused: a dial was refused or reset. Acted on after a second one, by another worker if there is one, 250 ms later.
	Refused Evidence = iota + 1
	// OtherWorker: its address answers with another worker's id, or a newer worker names its pod or address. Acted on at
	// once.
	OtherWorker
	// Expired: its heartbeat did, on the database clock. Acted on if it still is 250 ms later. When that would be a third
	// of all workers within one time to live, only those are declared dead that no dial reaches either.
	Expired
	// Unreachable: it answers no request, though its heart beats. Acted on if neither this worker nor a second peer gets
	// an answer out of it, twice, and if it owns shards that another persister could serve; never on a third of all
	// workers within one time to live.
	Unreachable

	silent // expired, and a dial was not answered
	stuck  // its own evidence: a lane makes no progress
)

func (e Evidence) String() string { return e.sql() }

func (e Evidence) sql() string {
	switch e {
	case Refused:
		return "refused"
	case OtherWorker:
		return "superseded"
	case Unreachable:
		return "unreachable"
	case silent:
		return "silent"
	case stuck:
		return "stuck"
	default:
		return "expired"
	}
}

// weak says that many may look so at once for a cause that isn't theirs.
func (e Evidence) weak() bool { return e == Expired || e == Unreachable || e == stuck }

// suspicion is what somebody holds against a worker.
type suspicion struct {
	worker int64
	why    Evidence
	since  time.Time
}

// heartbeatSlack is how much later than its sender's death a heartbeat may arrive.
const heartbeatSlack = 100 * time.Millisecond

// Suspect says that a worker seems dead. It returns at once; what follows is a confirmation where the evidence needs
// one, and a takeover if the database agrees. Saying it often is cheap.
func (m *Manager) Suspect(worker int64, why Evidence) {
	select {
	case m.suspected <- suspicion{worker: worker, why: why, since: m.clock.Now()}:
	default:
	}
}

// bury suspects those whom the table itself shows to be dead.
func (m *Manager) bury(ctx context.Context) {
	workers := m.Table().Workers()
	newest := map[string]int64{}
	for _, w := range workers { // by id
		newest["pod "+w.Pod], newest["addr "+w.Addr] = w.ID, w.ID
	}
	for _, w := range workers {
		switch {
		case w.ID == m.id:
		case newest["pod "+w.Pod] != w.ID, newest["addr "+w.Addr] != w.ID:
			m.investigate(ctx, suspicion{w.ID, OtherWorker, m.clock.Now()})
		case w.expired && m.collected():
			m.investigate(ctx, suspicion{w.ID, Expired, m.clock.Now()})
		}
	}
}

// collected says that own heartbeats have gone well for a time to live: after a pause of the database, or of the network,
// everybody looks dead.
func (m *Manager) collected() bool {
	return time.Duration(m.elapsed()-m.steady.Load()) >= m.timing.ttl
}

// investigate looks into a suspicion, one at a time for a worker.
func (m *Manager) investigate(ctx context.Context, s suspicion) {
	w, ok := m.Table().Worker(s.worker)
	if !ok || s.worker == m.id {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.suspects[s.worker] {
		return
	}
	m.suspects[s.worker] = true
	m.group.Go(func() {
		if s.why == OtherWorker || m.confirm(ctx, s, w) {
			m.takeOver(ctx, s, w)
		}
		m.mu.Lock()
		delete(m.suspects, s.worker)
		m.mu.Unlock()
	})
}

// confirm waits, then has somebody else dial a worker that refused; without anybody else this worker dials again. If none
// of those it asks answers it, it may be its own network that refuses: then a heart that beats counts for more. An expired
// heartbeat only gets the time: after a pause of the database the others' may be right behind ours.
func (m *Manager) confirm(ctx context.Context, s suspicion, w Worker) bool {
	if s.why == Unreachable {
		return m.collected() && m.mute(ctx, w) && m.sleep(ctx, m.timing.confirm) && m.mute(ctx, w)
	}
	if !m.sleep(ctx, m.timing.confirm-m.since(s.since)) {
		return false
	}
	if s.why == Expired {
		return true
	}
	if m.peer == nil {
		return false
	}
	t := m.Table()
	if _, ok := t.Worker(s.worker); !ok {
		return false // somebody was faster
	}
	seconds := m.seconds(w, 4)
	answered := len(seconds) == 0
	for _, via := range seconds {
		dead, err := m.probe(ctx, via, w)
		if err == nil {
			return dead
		}
		answered = answered || errors.Is(err, ErrNoAnswer)
	}
	if !answered {
		return false
	}
	dead, err := m.probe(ctx, "", w)
	return err == nil && dead
}

func (m *Manager) probe(ctx context.Context, via string, w Worker) (dead bool, err error) {
	ctx, cancel := m.clock.Bound(ctx, m.timing.probe)
	defer cancel()
	return m.peer.Probe(ctx, via, w.Addr, w.ID)
}

// seconds returns the addresses of up to n live workers who could dial another in this one's place.
func (m *Manager) seconds(other Worker, n int) []string {
	var all []string
	for _, p := range m.Table().Workers() {
		if p.ID != m.id && p.ID != other.ID && p.State == Live && !p.expired {
			all = append(all, p.Addr)
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(len(all), n)]
}

// mute says that neither this worker nor, if there are others, one of them gets an answer from a worker. If anybody
// gets one, or nobody else answers this worker either, it is not.
func (m *Manager) mute(ctx context.Context, w Worker) bool {
	if m.peer == nil {
		return false
	}
	seconds := m.seconds(w, 2)
	tctx, cancel := m.clock.Bound(ctx, 2*m.timing.probe)
	defer cancel()
	verdicts := make(chan error, len(seconds)+1)
	for _, via := range append(seconds, "") {
		go func() {
			dead, err := m.peer.Probe(tctx, via, w.Addr, w.ID)
			if err == nil && dead {
				err = ErrNoAnswer
			}
			verdicts <- err
		}()
	}
	witnesses := 0
	for range len(seconds) + 1 {
		switch err := <-verdicts; {
		case err == nil:
			return false
		case errors.Is(err, ErrNoAnswer):
			witnesses++
		}
	}
	return ctx.Err() == nil && witnesses >= min(2, len(seconds)+1)
}

// unanswered says that a dial of the worker, by this one, failed or stayed without an answer.
func (m *Manager) unanswered(ctx context.Context, w Worker) bool {
	if m.peer == nil {
		return false
	}
	dead, err := m.probe(ctx, "", w)
	return dead || err != nil && ctx.Err() == nil
}

// takeOver ends a worker and gives its shards to others, if the database agrees.
func (m *Manager) takeOver(ctx context.Context, s suspicion, w Worker) {
	if !m.healthy() {
		return
	}
	began := m.clock.Now()
	tctx, cancel := m.clock.Bound(ctx, 5*m.timing.statement)
	defer cancel()
	placed, err := m.rows.takeOver(tctx, s.worker, s.why, max(0, m.since(s.since)-heartbeatSlack))
	if errors.Is(err, errStorm) && m.unanswered(ctx, w) {
		s.why = silent
		placed, err = m.rows.takeOver(tctx, s.worker, s.why, 0)
	}
	if err != nil {
		if !errors.Is(err, errNotSuspect) {
			m.logUnlessDone(ctx, "could not take over", err)
		}
		m.Nudged() // somebody else may have
		return
	}
	m.metrics.takeovers.WithLabelValues(s.why.String()).Inc()
	m.metrics.takeoverSeconds.Observe(m.since(began).Seconds())
	m.log.Warn("took over from a dead worker", "dead", s.worker, "pod", w.Pod, "why", s.why.String(), "shards", len(placed))
	m.learn(placed)
	m.nudgeOwners(placed)
	for _, p := range m.Table().Workers() {
		if p.ID != s.worker {
			m.nudge(p.ID)
		}
	}
	m.Nudged()
}
