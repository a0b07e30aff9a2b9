package horizon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/position"
)

const (
	// maxBlocks and maxRooms bound the index of one announcement.
	maxBlocks = 512
	maxRooms  = 8192
	// stuckAfter is how long a registered block may stand.
	stuckAfter = 2 * time.Second
)

const selectLast = `SELECT last_value FROM stream_seq`

const selectInFlight = `
SELECT min(((classid::bigint << 32) | objid::bigint) & ((1::bigint << 62) - 1)) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 30 = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

const selectBlocks = `
SELECT block, rooms, user_shards, revoked FROM stream_block WHERE block > $1 AND block <= $2 ORDER BY block LIMIT $3`

// The row moves only forward, and only for who holds the term.
const updateHorizon = `
UPDATE horizon SET position = $1, generation = c.generation, updated_at = clock_timestamp()
FROM cluster_state c, leader l
WHERE horizon.position < $1 AND l.name = $2 AND l.worker_id = $3 AND l.term = $4
RETURNING horizon.generation`

// Waiting for synchronous replication is left alone: ending that backend would show a commit that may yet be lost.
const terminateStuck = `
SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid)) FROM pg_stat_activity a
WHERE a.wait_event IS DISTINCT FROM 'SyncRep' AND a.xact_start < clock_timestamp() - $1::interval AND a.pid IN (
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 30 = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`

// A closer moves P during one term, on one session.
type closer struct {
	conn       *pgx.Conn
	term       term
	p          position.Position
	generation int64
}

// A step is what one round of the closer found.
type step struct {
	bus.Horizon
	held bool // a block in flight holds P back
	more bool // the index was cut: go on at once
}

// open reads where P stands. It sets the session up: P is computed again from the truth after a crash, so its row need
// not wait for the disk.
func open(ctx context.Context, conn *pgx.Conn, t term) (*closer, error) {
	c := &closer{conn: conn, term: t}
	if _, err := conn.Exec(ctx, `SET synchronous_commit = off`); err != nil {
		return nil, fmt.Errorf("set up the announcer's session: %w", err)
	}
	err := conn.QueryRow(ctx, `SELECT h.position, c.generation FROM horizon h, cluster_state c`).Scan((*int64)(&c.p), &c.generation)
	if err != nil {
		return nil, fmt.Errorf("read the horizon: %w", err)
	}
	return c, nil
}

// step computes P and writes it down. The order of the three statements is the proof (see the package comment).
func (c *closer) step(ctx context.Context) (step, error) {
	var last int64
	if err := c.conn.QueryRow(ctx, selectLast).Scan(&last); err != nil {
		return step{}, fmt.Errorf("read the sequence: %w", err)
	}
	var registered *int64
	if err := c.conn.QueryRow(ctx, selectInFlight).Scan(&registered); err != nil {
		return step{}, fmt.Errorf("read the registered blocks: %w", err)
	}
	inFlight := last
	if registered != nil {
		inFlight = *registered
	}
	ceiling := min(last, inFlight)
	s, err := c.index(ctx, ceiling)
	if err != nil {
		return step{}, err
	}
	s.held = registered != nil && ceiling < last
	if s.P == s.Prev {
		return s, nil
	}
	err = c.conn.QueryRow(ctx, updateHorizon, s.P, leaderName, c.term.worker, c.term.number).Scan(&s.Generation)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return step{}, errDeposed
	case err != nil:
		return step{}, fmt.Errorf("write the horizon: %w", err)
	}
	c.p, c.generation = position.Position(s.P), s.Generation
	return s, nil
}

// index lists the committed blocks above P up to the ceiling; the last of them is the new P.
func (c *closer) index(ctx context.Context, ceiling int64) (step, error) {
	s := step{Horizon: bus.Horizon{Generation: c.generation, Prev: int64(c.p), P: int64(c.p)}}
	blocks, cut, err := readBlocks(ctx, c.conn, c.p.Block(), ceiling)
	if err != nil {
		return step{}, err
	}
	s.Blocks, s.more = blocks, cut
	if len(blocks) > 0 {
		s.P = int64(position.BlockEnd(blocks[len(blocks)-1].Block))
	}
	return s, nil
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readBlocks lists committed blocks in (above, upto], in order; cut says that there may be more than it lists.
func readBlocks(ctx context.Context, db querier, above, upto int64) (blocks []bus.BlockIndex, cut bool, err error) {
	if above >= upto {
		return nil, false, nil
	}
	rows, err := db.Query(ctx, selectBlocks, above, upto, maxBlocks)
	if err != nil {
		return nil, false, fmt.Errorf("read blocks: %w", err)
	}
	defer rows.Close()
	named := 0
	for rows.Next() {
		var b bus.BlockIndex
		var rooms []string
		var shards []int32
		if err := rows.Scan(&b.Block, &rooms, &shards, &b.Revoked); err != nil {
			return nil, false, fmt.Errorf("read blocks: %w", err)
		}
		if named += len(rooms); named > maxRooms && len(blocks) > 0 {
			return blocks, true, nil
		}
		for _, r := range rooms {
			b.Rooms = append(b.Rooms, bus.RoomHash(r))
		}
		for _, s := range shards {
			b.UserShards = append(b.UserShards, uint16(s))
		}
		blocks = append(blocks, b)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fmt.Errorf("read blocks: %w", err)
	}
	return blocks, len(blocks) == maxBlocks, nil
}

// terminateStuck ends the backends whose block has stood too long and returns how many those were.
func (c *closer) terminateStuck(ctx context.Context) (int, error) {
	var n int
	if err := c.conn.QueryRow(ctx, terminateStuck, stuckAfter).Scan(&n); err != nil {
		return 0, fmt.Errorf("terminate stuck blocks: %w", err)
	}
	return n, nil
}
