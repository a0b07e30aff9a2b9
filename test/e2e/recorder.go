package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/pkg/lag"
	"github.com/myelin-hs/myelin/test/e2e/kube"
	"github.com/myelin-hs/myelin/test/e2e/scaling"
)

// recorder notes load, lag and size of a pool each second. It asks nobody who is judged: the size comes from a watch, the
// lag from the rows that the workers write with their heartbeats.
type recorder struct {
	tour  *tour
	pool  string
	acked atomic.Int64 // events acknowledged so far

	mu      sync.Mutex
	offered float64
	now     kube.Pool
	samples []scaling.Sample
	begin   time.Time
}

func (r *recorder) run(ctx context.Context) error {
	r.begin = time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return r.tour.kube.WatchPool(ctx, r.pool, func(p kube.Pool) { r.mu.Lock(); r.now = p; r.mu.Unlock() })
	})
	group.Go(func() error { r.sample(ctx); return nil })
	return group.Wait()
}

func (r *recorder) sample(ctx context.Context) {
	var db *pgx.Conn
	defer func() {
		if db != nil {
			db.Close(context.WithoutCancel(ctx))
		}
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	at, acked := time.Now(), r.acked.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		mean, known := r.lag(ctx, &db)
		r.mu.Lock()
		s := scaling.Sample{Offered: r.offered, Lag: mean, LagKnown: known, Wanted: r.now.Wanted, Ready: r.now.Ready}
		now, all := time.Now(), r.acked.Load()
		s.At, s.Acked = now.Sub(r.begin), float64(all-acked)/now.Sub(at).Seconds()
		at, acked = now, all
		if s.Wanted > 0 { // the watch has begun
			r.samples = append(r.samples, s)
		}
		r.mu.Unlock()
	}
}

// acknowledged counts one event more; it is what load.New tells of each.
func (r *recorder) acknowledged(time.Duration) { r.acked.Add(1) }

// lag is the mean of the pool's live workers; false if there is none, or one that says nothing, or no database to ask.
func (r *recorder) lag(ctx context.Context, db **pgx.Conn) (time.Duration, bool) {
	ctx, cancel := context.WithTimeout(ctx, 800*time.Millisecond)
	defer cancel()
	readings, err := r.readings(ctx, db)
	if err != nil {
		if *db != nil {
			(*db).Close(ctx)
		}
		*db = nil
		return 0, false
	}
	return meanLag(readings)
}

func (r *recorder) readings(ctx context.Context, db **pgx.Conn) (all []lag.Reading, err error) {
	if *db == nil {
		if *db, err = r.tour.openTable(ctx); err != nil {
			return nil, err
		}
	}
	rows, err := (*db).Query(ctx, `SELECT coalesce(lag::text, 'null') FROM worker WHERE pool = $1 AND state <> 3 AND expires_at > clock_timestamp()`, r.pool)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (reading lag.Reading, err error) {
		var text string
		if err := row.Scan(&text); err != nil {
			return nil, err
		}
		return reading, json.Unmarshal([]byte(text), &reading)
	})
}

func meanLag(readings []lag.Reading) (time.Duration, bool) {
	var sum time.Duration
	for _, r := range readings {
		oldest, known := r.Oldest()
		if !known {
			return 0, false
		}
		sum += oldest
	}
	return sum / time.Duration(max(1, len(readings))), len(readings) > 0
}

// offer notes what clients want to send from now on, in events a second.
func (r *recorder) offer(rate float64) { r.mu.Lock(); r.offered = rate; r.mu.Unlock() }

// since are the samples that were taken from t on.
func (r *recorder) since(t time.Time) []scaling.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := slices.IndexFunc(r.samples, func(s scaling.Sample) bool { return s.At >= t.Sub(r.begin) })
	if from < 0 {
		return nil
	}
	return slices.Clone(r.samples[from:])
}

func (r *recorder) size() kube.Pool { r.mu.Lock(); defer r.mu.Unlock(); return r.now }

// shrinks waits until the pool wants fewer than n workers.
func (r *recorder) shrinks(ctx context.Context, n int, limit time.Duration) error {
	return until(ctx, limit, fmt.Sprintf("a pool of fewer than %d", n), func() (bool, string, error) {
		now := r.size()
		return now.Wanted < n, fmt.Sprintf("%d wanted", now.Wanted), nil
	})
}

// steady waits until the pool has n workers, all ready, and has not changed for a while; n < 0: however many.
func (r *recorder) steady(ctx context.Context, n int, while, limit time.Duration) error {
	start := time.Now()
	return until(ctx, limit, fmt.Sprintf("a pool of %d that is steady for %s", n, while), func() (bool, string, error) {
		now := r.size()
		recent := r.since(time.Now().Add(-while))
		still := time.Since(start) >= while && len(recent) > 0 && scaling.Changes(recent) == 0
		return still && now.Ready == now.Wanted && (n < 0 || now.Wanted == n), fmt.Sprintf("%d wanted, %d ready", now.Wanted, now.Ready), nil
	})
}
