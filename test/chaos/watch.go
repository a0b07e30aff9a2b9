package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/test/command"
)

const (
	watchEvery = 20 * time.Millisecond
	countEvery = 10 // samples of P for one that counts what is below it
	watchLimit = 2 * time.Second
)

// A sample is what stood at or below P when P was seen.
type sample struct {
	p      int64
	blocks int64
	at     time.Time
}

// watch looks at the horizon, from beside the homeserver.
type watch struct {
	uri  string
	stop context.CancelFunc
	done chan struct{}
	anew atomic.Bool  // Postgres is about to be another, whose row may stand lower
	lost atomic.Int64 // what was seen before this time, in ns since 1970, is no more

	// Only the watcher's goroutine has them until done is closed.
	standstill time.Duration // the longest that P stood still although a committed block was above it
	from, to   time.Time     // when that was
	counted    []sample
	backwards  []string // P went back
}

func startWatch(ctx context.Context, uri string) (*watch, error) {
	ctx, stop := context.WithCancel(ctx)
	w := &watch{uri: uri, stop: stop, done: make(chan struct{})}
	go func() { defer close(w.done); w.run(ctx) }()
	return w, nil
}

// forgive lets P's row go back once, as it may when Postgres crashes or a standby takes over: its commits wait for no disk.
// How long Postgres is away then is not P's standstill.
func (w *watch) forgive() { w.anew.Store(true) }

// forget drops what was seen of a history that is lost.
func (w *watch) forget() { w.lost.Store(time.Now().UnixNano()) }

// end stops watching; then the findings may be read.
func (w *watch) end() { w.stop(); <-w.done }

func (w *watch) run(ctx context.Context) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}()
	var p int64
	reconnected := false
	var since time.Time // P has been below a committed block since then; zero: it is not
	for i := 0; command.Wait(ctx, watchEvery) == nil; i++ {
		var err error
		asked := time.Now()
		if conn == nil {
			if conn, err = w.connect(ctx); err != nil {
				continue
			}
			reconnected = true
		}
		s, above, err := look(ctx, conn, i%countEvery == 0)
		if err != nil { // the clock of a standstill runs on
			_ = conn.Close(context.WithoutCancel(ctx))
			conn = nil
			continue
		}
		if reconnected && w.anew.Swap(false) {
			p, since = s.p, time.Time{}
		}
		reconnected = false
		if s.p < p {
			w.backwards = append(w.backwards, fmt.Sprintf("P went back from %d to %d", p, s.p))
		}
		if s.p != p || !above {
			since = time.Time{}
		}
		p = s.p
		if above && since.IsZero() {
			since = asked
		}
		if !since.IsZero() && s.at.Sub(since) > w.standstill {
			w.standstill, w.from, w.to = s.at.Sub(since), since, s.at
		}
		if s.blocks >= 0 {
			w.counted = append(w.counted, s)
		}
	}
}

func (w *watch) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, watchLimit)
	defer cancel()
	return pgx.Connect(ctx, w.uri)
}

// look reads P and whether a committed block is above it, in one snapshot.
func look(ctx context.Context, conn *pgx.Conn, count bool) (s sample, above bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, watchLimit)
	defer cancel()
	s.blocks = -1
	what := "-1"
	if count {
		what = "(SELECT count(*) FROM stream_block WHERE block <= h.position >> 10)"
	}
	err = conn.QueryRow(ctx, `SELECT position, coalesce((SELECT max(block) FROM stream_block) > position >> 10, false), `+what+` FROM horizon h`).Scan(&s.p, &above, &s.blocks)
	s.at = time.Now()
	return s, above, err
}

// late finds blocks that appeared at or below a P that had been seen without them (I6).
func (w *watch) late(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	found := w.backwards
	for _, s := range w.counted {
		if s.at.UnixNano() < w.lost.Load() {
			continue
		}
		var now int64
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM stream_block WHERE block <= $1::bigint >> 10`, s.p).Scan(&now); err != nil {
			return nil, err
		}
		if now != s.blocks {
			found = append(found, fmt.Sprintf("there were %d blocks at or below P = %d when it was seen, and are %d at the end", s.blocks, s.p, now))
		}
	}
	return found, nil
}
