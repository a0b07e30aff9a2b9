package lease

import (
	"context"
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

// barrier begins a new generation, if the database is this one, and one is due: the server's timeline or system is not
// the one recorded, its generation is below the known one, or a row has been set back. All is checked under the lock of
// the one row of cluster_state, so of many workers one does it. In one transaction: every number that may have been given
// out leaps; nobody owns a shard; whoever the rows say lives gets a time to live to be heard; a block without content
// makes P leap too. Rows are locked in the order cluster_state, worker, shard_lease. It waits for blocks in flight, which
// can only be of the same timeline. It says whether this worker was the one.
func (r rows) barrier(ctx context.Context, database string, known int64, back setBack) (bool, error) {
	const due = `
SELECT NOT same OR generation < $1 OR EXISTS (SELECT FROM shard_lease WHERE space = $2 AND shard_id = $3 AND epoch < $4)
  FROM cluster_now WHERE database_id::text = $5`
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
			[]any{epochLeap}},
		{`UPDATE leader SET term = term + $1, expires_at = to_timestamp(0)`, []any{epochLeap}},
		{`
SELECT setval(c.oid, coalesce(pg_sequence_last_value(c.oid), 0)
                     + CASE WHEN c.oid = 'stream_seq'::regclass THEN $1::bigint ELSE sign(s.seqincrement) * $2::bigint END::bigint)
  FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE c.relnamespace = current_schema()::regnamespace`,
			[]any{blockLeap, numberLeap}},
		{`INSERT INTO stream_block (block, shards, rooms, user_shards) VALUES (nextval('stream_seq'), '{}', '{}', '{}')`, nil},
		{`
UPDATE cluster_state c SET timeline = n.timeline, system_id = n.system_id, generation = greatest(n.generation, $1) + 1,
                           map_version = n.map_version + $2
  FROM cluster_now n`, []any{known, epochLeap}},
	}
	began := false
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM cluster_state FOR UPDATE`); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, due, known, Space, back.shard, back.epoch, database).Scan(&began)
		if err != nil || !began {
			return err
		}
		for _, s := range steps {
			if _, err := tx.Exec(ctx, s.sql, s.args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("begin a new generation: %w", err)
	}
	return began, nil
}
