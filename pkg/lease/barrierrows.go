package lease

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// What the barrier adds to numbers that were given out in the past that was lost: more than can have been given out
// there since the past that is left.
const (
	blockLeap  = 1 << 24 // blocks; positions of clients' sync tokens
	numberLeap = 1 << 20 // worker ids, which are never used again, and all other sequences
	epochLeap  = 1 << 16 // epochs, and terms of leaders
)

// setBack is a shard with an epoch that was in its row once: a row with less has been set back.
type setBack struct {
	shard int
	epoch int64
}

// barrier begins a new generation, if one is due by what this worker remembers ([life.follows]) or a row has been set
// back. All is checked under the lock of the one row of cluster_state, in the session that writes, so of many workers one
// does it, and none on a former primary. In one transaction: every number that may have been given out leaps, once for
// each generation that is gone, as each of them may have leapt; nobody owns a shard; whoever the rows say lives gets a
// time to live to be heard; a block without content makes P leap too. Rows are locked in the order cluster_state, worker,
// shard_lease. It waits for blocks in flight, which can only be of the same timeline. It says whether this worker was the
// one.
func (r rows) barrier(ctx context.Context, had life, back setBack) (bool, error) {
	began := false
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM cluster_state FOR UPDATE`); err != nil {
			return err
		}
		var now life
		err := tx.QueryRow(ctx, `
SELECT database_id::text, generation, timeline, system_id, same,
       EXISTS (SELECT FROM shard_lease WHERE space = $1 AND shard_id = $2 AND epoch < $3)
  FROM cluster_now`, Space, back.shard, back.epoch).
			Scan(&now.database, &now.generation, &now.timeline, &now.system, &now.same, &began)
		if err != nil {
			return err
		}
		if err := had.follows(now); errors.Is(err, errBarrierDue) {
			began = true
		} else if err != nil {
			return err
		}
		if !began {
			return nil
		}
		return r.leap(ctx, tx, had.generation, 1+max(0, had.generation-now.generation))
	})
	if err != nil {
		return false, fmt.Errorf("begin a new generation: %w", err)
	}
	return began, nil
}

// leap is what the barrier does; every number leaps this many times.
func (r rows) leap(ctx context.Context, tx pgx.Tx, known, times int64) error {
	steps := []struct {
		sql  string
		args []any
	}{
		// As every block does: registered before its number is drawn.
		{`SELECT pg_advisory_xact_lock_shared((1::bigint << 62) | last_value) FROM stream_seq`, nil},
		{`SELECT FROM worker ORDER BY worker_id FOR UPDATE`, nil},
		{`SELECT FROM shard_lease ORDER BY space, shard_id FOR UPDATE`, nil},
		{`UPDATE worker SET expires_at = clock_timestamp() + $1 * interval '1 millisecond' WHERE state <> 3`, []any{ms(r.timing.ttl)}},
		{`UPDATE shard_lease SET owner = NULL, epoch = epoch + $1, claimed = false, target = NULL, changed_at = clock_timestamp()`,
			[]any{times * epochLeap}},
		{`UPDATE leader SET term = term + $1, expires_at = to_timestamp(0)`, []any{times * epochLeap}},
		{`
SELECT setval(c.oid, coalesce(pg_sequence_last_value(c.oid), 0)
                     + CASE WHEN c.oid = 'stream_seq'::regclass THEN $1::bigint ELSE sign(s.seqincrement) * $2::bigint END::bigint)
  FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE c.relnamespace = current_schema()::regnamespace`,
			[]any{times * blockLeap, times * numberLeap}},
		{`INSERT INTO stream_block (block, shards, rooms, user_shards) VALUES (nextval('stream_seq'), '{}', '{}', '{}')`, nil},
		{`
UPDATE cluster_state c SET timeline = n.timeline, system_id = n.system_id, generation = greatest(n.generation, $1) + 1,
                           map_version = n.map_version + $2
  FROM cluster_now n`, []any{known, times * epochLeap}},
	}
	for _, s := range steps {
		if _, err := tx.Exec(ctx, s.sql, s.args...); err != nil {
			return err
		}
	}
	return nil
}
