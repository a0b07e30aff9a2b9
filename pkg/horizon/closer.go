package horizon

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/position"
)

const (
	// maxBlocks and maxRooms bound the index of one announcement.
	maxBlocks = 512
	maxRooms  = 8192
)

const selectLast = `SELECT last_value FROM stream_seq`

const selectInFlight = `
SELECT min(((classid::bigint << 32) | objid::bigint) & ((1::bigint << 62) - 1)) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 30 = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

const selectGeneration = `SELECT generation FROM cluster_state`

const selectBlocks = `
SELECT block, rooms, user_shards, revoked FROM stream_block WHERE block > $1 AND block <= $2 ORDER BY block LIMIT $3`

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
	row        row
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
	if err := conn.QueryRow(ctx, `SELECT position, generation FROM horizon`).Scan((*int64)(&c.p), &c.generation); err != nil {
		return nil, fmt.Errorf("read the horizon: %w", err)
	}
	c.row = row{position: c.p, generation: c.generation}
	return c, nil
}

func (c *closer) renew(ctx context.Context) error { return c.term.renew(ctx, c.conn) }

func (c *closer) resign(ctx context.Context) error { return c.term.resign(ctx, c.conn) }

func (c *closer) close(ctx context.Context) { _ = c.conn.Close(ctx) }

// step computes P. The order of the statements is the proof (see the package comment); all but the last go in one round
// trip. The generation comes after the lock table, so that P does not cover the block of a barrier (see the package
// comment) under the generation before it.
func (c *closer) step(ctx context.Context) (step, error) {
	var last int64
	var registered *int64
	batch := &pgx.Batch{}
	batch.Queue(selectLast).QueryRow(func(row pgx.Row) error { return row.Scan(&last) })
	batch.Queue(selectInFlight).QueryRow(func(row pgx.Row) error { return row.Scan(&registered) })
	batch.Queue(selectGeneration).QueryRow(func(row pgx.Row) error { return row.Scan(&c.generation) })
	if err := c.conn.SendBatch(ctx, batch).Close(); err != nil {
		return step{}, fmt.Errorf("read the sequence, the registered blocks and the generation: %w", err)
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
	c.p = position.Position(s.P)
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
