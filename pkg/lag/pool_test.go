package lag_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/lag"
)

const (
	target = 500 * time.Millisecond
	ms     = time.Millisecond
)

// persister is a settled worker whose lanes have waited so long.
func persister(lanes ...time.Duration) lag.Worker {
	return lag.Worker{Name: "demo-persister-x", Age: time.Hour, Reading: lag.Reading{lag.Persister: lag.Sharded(lanes)}}
}

// reader is a settled sync worker.
func reader(oldest time.Duration) lag.Worker {
	return lag.Worker{Name: "demo-sync-x", Age: time.Hour, Reading: lag.Reading{lag.Sync: {Oldest: oldest}}}
}

func changed(w lag.Worker, change func(*lag.Worker)) lag.Worker {
	change(&w)
	return w
}

func persisters(wanted int, workers ...lag.Worker) lag.Pool {
	return lag.Pool{Wanted: wanted, Roles: []string{lag.Persister}, Workers: workers}
}

func readers(wanted int, workers ...lag.Worker) lag.Pool {
	return lag.Pool{Wanted: wanted, Roles: []string{lag.Sync}, Workers: workers}
}

func TestTheSignalOfAPool(t *testing.T) {
	t.Parallel()
	overloaded := persister(2*time.Second, 2*time.Second, 2*time.Second, 2*time.Second)
	young := func(w *lag.Worker) { w.Age = lag.Settle - 1 }
	leaving := func(w *lag.Worker) { w.Leaving = true }
	for name, c := range map[string]struct {
		pool lag.Pool
		want time.Duration
	}{
		"nothing waits": {persisters(3, persister(), persister(), persister()), 0},
		"lag at its target keeps the replicas": {
			persisters(2, persister(target), persister(target)), 2 * target},
		"half the lag asks for half the workers": {
			persisters(4, persister(target), persister(target), persister(), persister()), 2 * target},
		"twice the lag asks for twice the workers": {
			persisters(2, persister(2*target, 2*target), persister(2*target, 2*target)), 4 * target},
		"the mean counts, not the worst": {
			persisters(2, persister(target, target, target), persister()), target},
		"a persister late in all its lanes asks for no more than it has lanes that are late": {
			persisters(1, overloaded), 4 * target},
		"a stuck shard makes its worker count as one at the target": {
			persisters(2, persister(time.Hour), persister()), target},
		"so it does in a pool of one": {persisters(1, persister(time.Hour, 3*ms)), target},
		"beside a stuck shard others that are hardly late count as what they are": {
			persisters(2, persister(time.Hour, 501*ms), persister(501*ms, 501*ms)), 1002 * ms},
		"and a worker that is late in all its lanes still makes the pool grow": {
			persisters(2, persister(time.Hour, 2*time.Second, 2*time.Second), persister(2*time.Second, 2*time.Second, 2*time.Second)), 6 * target},
		"two stuck shards ask for two workers, not for more": {
			persisters(1, persister(time.Hour, time.Hour)), 2 * target},
		"shards that wait, but not for longer than the target, do not count": {
			persisters(1, persister(time.Hour, target, target, target)), target},
		"readers are not bounded by shards": {readers(1, reader(5*time.Second)), 10 * target},
		"a worker that joined just now keeps the replicas, whatever the lag": {
			persisters(2, overloaded, changed(overloaded, young)), 2 * target},
		"also if nothing waits": {persisters(2, persister(), changed(persister(), young)), 2 * target},
		"also if it has told nothing yet": {
			persisters(2, persister(), changed(persister(), func(w *lag.Worker) { young(w); w.Reading = nil })), 2 * target},
		"a worker that leaves keeps the replicas": {persisters(1, overloaded, changed(persister(), leaving)), target},
		"a worker counts as settled after the time": {
			persisters(1, changed(persister(), func(w *lag.Worker) { w.Age = lag.Settle })), 0},
		"while a worker is missing the pool does not grow further": {persisters(3, overloaded, overloaded), 3 * target},
		"nor do readers":    {readers(3, reader(time.Minute)), 3 * target},
		"but it may shrink": {persisters(4, persister(target), persister()), 2 * target},
		"more workers than are wanted are no reason to keep them":  {persisters(1, persister(), persister()), 0},
		"more workers than are wanted count in the mean":           {readers(1, reader(target), reader(3*target)), 2 * target},
		"while a shard moves a pool of persisters does not shrink": {moving(persisters(3, persister(), persister(), persister())), 3 * target},
		"but may grow":                                                  {moving(persisters(1, overloaded)), 4 * target},
		"though not while a worker is missing":                          {moving(persisters(3, overloaded, overloaded)), 3 * target},
		"readers have nothing to do with it":                            {moving(readers(3, reader(0), reader(0), reader(0))), 0},
		"readers in a pool of persisters have":                          {moving(with(readers(1, both(0, 0)), lag.Persister)), target},
		"a role that has no lag says nothing in a pool with one":        {with(persisters(1, persister(target)), "gateway", "client"), target},
		"a worker that is a role more than its pool's is asked for its": {readers(1, both(time.Hour, 2*target)), 2 * target},
		"of several roles the greatest counts, here sync":               {with(persisters(1, both(target, 3*target)), lag.Sync), 3 * target},
		"of several roles the greatest counts, here the persister":      {with(readers(1, both(target, ms)), lag.Persister), target},
		"a stuck shard does not bound the readers of its pool":          {with(readers(1, both(time.Hour, 4*target)), lag.Persister), 4 * target},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			total, err := c.pool.Signal(target)
			require.NoError(t, err)
			require.Equal(t, c.want, total)
		})
	}
}

// Whatever the others do, as long as they keep the target, one shard that waits for ever is like one that waits for as long as
// is allowed.
func TestOneStuckShardNeitherGrowsNorShrinksAPool(t *testing.T) {
	t.Parallel()
	for n := range 300 {
		for _, others := range []time.Duration{0, 100 * ms, target - 1, target} {
			pool := func(oldest time.Duration) lag.Pool {
				workers := []lag.Worker{persister(others, oldest, others, others)}
				for range n {
					workers = append(workers, persister(others, others, others, others))
				}
				return persisters(n+1, workers...)
			}
			stuck, err := pool(time.Hour).Signal(target)
			require.NoError(t, err)
			allowed, err := pool(target).Signal(target)
			require.NoError(t, err)
			require.Equal(t, allowed, stuck)
			require.LessOrEqual(t, stuck, target*time.Duration(n+1))
			if others == target {
				require.Equal(t, target*time.Duration(n+1), stuck)
			}
		}
	}
}

func moving(p lag.Pool) lag.Pool {
	p.Moving = true
	return p
}

func with(p lag.Pool, roles ...string) lag.Pool {
	p.Roles = append(p.Roles, roles...)
	return p
}

func both(writing, reading time.Duration) lag.Worker {
	w := persister(writing)
	w.Reading[lag.Sync] = lag.Lag{Oldest: reading}
	return w
}

func TestWhatIsNotKnownIsNeverZero(t *testing.T) {
	t.Parallel()
	unread := func(w *lag.Worker) { w.Reading = nil }
	for name, c := range map[string]struct {
		pool lag.Pool
		why  string
	}{
		"a pool without a worker": {persisters(2), "the pool has no worker"},
		"a pool of no replicas":   {persisters(0, persister()), "the pool is to have no replicas"},
		"a pool of roles without a lag": {
			lag.Pool{Wanted: 1, Roles: []string{"gateway"}, Workers: []lag.Worker{{Name: "g", Age: time.Hour}}},
			"work waits in the roles persister and sync only, and the pool has none of them"},
		"a worker without a reading": {
			persisters(2, persister(), changed(persister(), unread)), "worker demo-persister-x tells no lag of its role persister"},
		"a worker that knows of another role only": {
			readers(1, persister()), "worker demo-persister-x tells no lag of its role sync"},
		"a role of several that is not known": {
			with(readers(1, reader(0)), lag.Persister), "worker demo-sync-x tells no lag of its role persister"},
		"an overdue heartbeat": {
			persisters(2, persister(), changed(persister(), func(w *lag.Worker) { w.Overdue = true })),
			"the heartbeat of worker demo-persister-x is overdue"},
		"an overdue heartbeat of one that leaves": {
			persisters(1, changed(persister(), func(w *lag.Worker) { w.Overdue, w.Leaving = true, true })),
			"the heartbeat of worker demo-persister-x is overdue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.pool.Signal(target)
			require.ErrorIs(t, err, lag.ErrUnknown)
			require.EqualError(t, err, "the lag is not known: "+c.why)
		})
	}
}

func TestAReasonKeepsItsCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	err := lag.Unknown("no worker of demo answers: %w", cause)
	require.ErrorIs(t, err, lag.ErrUnknown)
	require.ErrorIs(t, err, cause)
	require.EqualError(t, err, "the lag is not known: no worker of demo answers: connection refused")
}

func TestATargetBelowAMillisecondIsRefused(t *testing.T) {
	t.Parallel()
	for _, target := range []time.Duration{-time.Second, 0, time.Millisecond - 1} {
		_, err := persisters(1, persister()).Signal(target)
		require.ErrorContains(t, err, "has to be at least 1ms")
		require.NotErrorIs(t, err, lag.ErrUnknown, "it is wrong, not unknown")
	}
}
