package lag

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Settle is for how long after a worker joined its pool is left as it is.
const Settle = 15 * time.Second

// ErrUnknown is what lag is when it is not known; errors that wrap it say why. It is never 0 instead.
var ErrUnknown = errors.New("the lag is not known")

// Unknown returns an ErrUnknown with its reason, which the words may wrap by %w.
func Unknown(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrUnknown, fmt.Errorf(format, a...))
}

// A Pool is what is known of the workers of one WorkerPool at one moment.
type Pool struct {
	Wanted  int      // replicas that it is to have
	Roles   []string // what its workers do
	Workers []Worker // live or leaving
	// Moving: a shard of the homeserver is on its way, or nobody's. Writes to it wait at whoever routes them, so that no
	// persister's reading tells of them.
	Moving bool
}

// A Worker is one of a Pool.
type Worker struct {
	Name    string        // of its pod
	Age     time.Duration // since it joined
	Leaving bool          // it gives away what it owns
	Overdue bool          // its heartbeat has expired, so its reading is old
	Reading Reading       // nil: it has told none
}

// Signal returns the quantity that a HorizontalPodAutoscaler with the AverageValue target is to be told: it makes the
// pool Signal / target replicas, rounded up. It is the mean lag of the workers times the replicas that are wanted, of the
// role where that is greatest, with the holds that the package comment explains. Its error is an ErrUnknown, unless
// target is not at least a millisecond.
func (p Pool) Signal(target time.Duration) (total time.Duration, err error) {
	if target < time.Millisecond {
		return 0, fmt.Errorf("the target is %v: it has to be at least 1ms", target)
	}
	roles := slices.DeleteFunc(Roles(), func(r string) bool { return !slices.Contains(p.Roles, r) })
	stay := target * time.Duration(p.Wanted)
	switch {
	case len(roles) == 0:
		return 0, Unknown("work waits in the roles %s only, and the pool has none of them", strings.Join(Roles(), " and "))
	case p.Wanted <= 0:
		return 0, Unknown("the pool is to have no replicas")
	case len(p.Workers) == 0:
		return 0, Unknown("the pool has no worker")
	}
	for _, w := range p.Workers {
		if w.Overdue {
			return 0, Unknown("the heartbeat of worker %s is overdue", w.Name)
		}
	}
	if p.unsettled() {
		return stay, nil
	}
	for _, role := range roles {
		of, err := p.of(role, target)
		if err != nil {
			return 0, err
		}
		total = max(total, of)
	}
	if len(p.Workers) < p.Wanted {
		total = min(total, stay)
	}
	if p.Moving && slices.Contains(roles, Persister) {
		total = max(total, stay)
	}
	return total, nil
}

// unsettled says whether a resize is under way, or was a moment ago.
func (p Pool) unsettled() bool {
	return slices.ContainsFunc(p.Workers, func(w Worker) bool { return w.Leaving || w.Age < Settle })
}

// of is the signal of one role.
func (p Pool) of(role string, target time.Duration) (time.Duration, error) {
	var sum time.Duration
	late := 0 // shards that wait longer than the target
	for _, w := range p.Workers {
		l, known := w.Reading[role]
		if !known {
			return 0, Unknown("worker %s tells no lag of its role %s", w.Name, role)
		}
		if role == Persister {
			l.Oldest = l.confirmed(target)
		}
		sum += l.Oldest
		for _, s := range l.Shards {
			if s > target {
				late++
			}
		}
	}
	total := sum / time.Duration(len(p.Workers)) * time.Duration(p.Wanted)
	if role == Persister {
		total = min(total, target*time.Duration(max(p.Wanted, late)))
	}
	return total, nil
}
