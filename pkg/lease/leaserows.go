package lease

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/shard"
)

// This file holds every transition of a shard_lease row but those that follow a death (deathrows.go), each with its SQL;
// memberrows.go those of worker and leader.
//
// Rules for all of them. Rows are locked in the order of shard_id, as block_begin does, so no two can deadlock. A change
// of owner raises the epoch in the same statement (I2) and waits for blocks in flight, because block_begin holds the row
// FOR SHARE until its commit (I1). Every condition is checked again on the locked row, so what was read before is only
// a reason to try. claimed and target are hints: they are written with asynchronous commit, so that the row is not
// locked during a flush.

// rows is the database as one worker sees it.
type rows struct {
	pool   *pgxpool.Pool
	me     int64
	timing timing
	clock  clock
}

// ms is a parameter of SQL in milliseconds.
func ms(d time.Duration) int64 { return d.Milliseconds() }

// claim: owner = me, unclaimed → claimed. Returns the epochs of those of the shards that this worker owns, and the life
// of the database as it is after they were read. Idempotent.
func (r rows) claim(ctx context.Context, shards []int) (map[int]int64, life, error) {
	const sql = `
WITH l AS MATERIALIZED (
    SELECT shard_id FROM shard_lease
     WHERE space = $1 AND shard_id = ANY($3) AND owner = $2 AND set_config('synchronous_commit', 'off', true) = 'off'
     ORDER BY shard_id FOR UPDATE)
UPDATE shard_lease s SET claimed = true FROM l
 WHERE s.space = $1 AND s.shard_id = l.shard_id AND s.owner = $2
RETURNING s.shard_id, s.epoch`
	epochs, now, err := r.epochsThenLife(ctx, sql, Space, r.me, shards)
	if err != nil {
		return nil, life{}, fmt.Errorf("claim shards: %w", err)
	}
	return epochs, now, nil
}

// handover is one shard of a transfer.
type handover struct {
	shard int
	epoch int64 // that this worker holds
	to    int64 // 0: nobody
}

// transfer: owner = me at this epoch → owner = to at the next, unclaimed. Only to a live persister whose heartbeat lasts
// for another second; to nobody always. Returns the new epochs of the shards that moved. With an error that isn't the
// server's refusal, the outcome is unknown: see raise.
func (r rows) transfer(ctx context.Context, hs []handover) (map[int]int64, error) {
	const sql = `
WITH l AS MATERIALIZED (
    SELECT l.shard_id, u.dest FROM shard_lease l JOIN unnest($3::int[], $4::bigint[], $5::bigint[]) u(sid, ep, dest) ON l.shard_id = u.sid
     WHERE l.space = $1 AND l.owner = $2 AND l.epoch = u.ep
       AND (u.dest = 0 OR EXISTS (SELECT FROM worker w WHERE w.worker_id = u.dest AND w.state = 1 AND $6 = ANY(w.roles)
                                     AND w.expires_at > clock_timestamp() + interval '1 second'))
     ORDER BY l.shard_id FOR UPDATE OF l)
UPDATE shard_lease s
   SET owner = nullif(l.dest, 0), epoch = s.epoch + 1, claimed = false, target = NULL, changed_at = clock_timestamp() FROM l
 WHERE s.space = $1 AND s.shard_id = l.shard_id AND s.owner = $2
RETURNING s.shard_id, s.epoch`
	shards, epochs, dests := make([]int, len(hs)), make([]int64, len(hs)), make([]int64, len(hs))
	for i, h := range hs {
		shards[i], epochs[i], dests[i] = h.shard, h.epoch, h.to
	}
	moved, err := r.epochs(ctx, sql, Space, r.me, shards, epochs, dests, RolePersister)
	if err != nil {
		return nil, fmt.Errorf("transfer shards: %w", err)
	}
	return moved, nil
}

// raise: owner = me at this epoch, or claimed at a later one → the next epoch. It waits for a block still in flight, and
// makes the database refuse any that comes later with the old epoch, and any late transfer. After it nothing that was
// sent before is unknown. Only this worker claims for itself, so a claimed row of its own was its own all the time since:
// raise may be repeated when its own outcome is unknown. Shards that are absent from the answer are lost. Where it waits for
// too long the error is lockNotAvailable, which says so, and comes before the end of its caller's patience.
func (r rows) raise(ctx context.Context, shards map[int]int64) (map[int]int64, life, error) {
	const sql = `
WITH l AS MATERIALIZED (
    SELECT l.shard_id FROM shard_lease l JOIN unnest($3::int[], $4::bigint[]) u(sid, ep) ON l.shard_id = u.sid
     WHERE l.space = $1 AND l.owner = $2 AND (l.epoch = u.ep OR (l.claimed AND l.epoch > u.ep))
       AND set_config('lock_timeout', $5, true) <> ''
     ORDER BY l.shard_id FOR UPDATE OF l)
UPDATE shard_lease s SET epoch = s.epoch + 1 FROM l
 WHERE s.space = $1 AND s.shard_id = l.shard_id AND s.owner = $2
RETURNING s.shard_id, s.epoch`
	ids, epochs := make([]int, 0, len(shards)), make([]int64, 0, len(shards))
	for s, e := range shards {
		ids, epochs = append(ids, s), append(epochs, e)
	}
	raised, now, err := r.epochsThenLife(ctx, sql, Space, r.me, ids, epochs, strconv.FormatInt(ms(4*r.timing.statement), 10))
	if err != nil {
		return nil, life{}, fmt.Errorf("raise epochs: %w", err)
	}
	return raised, now, nil
}

// aim: the owner is to move the shard. By compare-and-set on the epoch; over another target only if replace; never to a
// worker that is cordoned by now. A row that
// is locked, as a block is in flight, is waited for this long; with 0 it is left out. It returns the
// shards aimed.
func (r rows) aim(ctx context.Context, hs []handover, replace bool, wait time.Duration) (map[int]int64, error) {
	const lock = `
WITH l AS MATERIALIZED (
    SELECT l.shard_id, u.dest FROM shard_lease l JOIN unnest($2::int[], $3::bigint[], $4::bigint[]) u(sid, ep, dest) ON l.shard_id = u.sid
     WHERE l.space = $1 AND l.epoch = u.ep AND l.owner <> u.dest AND (l.target IS NULL OR $5)
       AND NOT EXISTS (SELECT FROM worker w WHERE w.worker_id = u.dest AND w.cordoned)
       AND set_config('synchronous_commit', 'off', true) = 'off' AND set_config('lock_timeout', $6, true) <> ''
     ORDER BY l.shard_id FOR UPDATE OF l`
	const update = `)
UPDATE shard_lease s SET target = l.dest FROM l WHERE s.space = $1 AND s.shard_id = l.shard_id
RETURNING s.shard_id, s.epoch`
	sql := lock + update
	if wait == 0 {
		sql = lock + ` SKIP LOCKED` + update
	}
	shards, epochs, dests := make([]int, len(hs)), make([]int64, len(hs)), make([]int64, len(hs))
	for i, h := range hs {
		shards[i], epochs[i], dests[i] = h.shard, h.epoch, h.to
	}
	aimed, err := r.epochs(ctx, sql, Space, shards, epochs, dests, replace, strconv.FormatInt(ms(wait), 10))
	if postgres.Code(err) == lockNotAvailable {
		return map[int]int64{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("set targets: %w", err)
	}
	return aimed, nil
}

// lockNotAvailable is the SQLSTATE of a lock timeout.
const lockNotAvailable = "55P03"

// unaim forgets a target that can't be given the shard.
func (r rows) unaim(ctx context.Context, shard int, target int64) error {
	const sql = `
UPDATE shard_lease SET target = NULL
 WHERE space = $1 AND shard_id = $2 AND owner = $3 AND target = $4 AND set_config('synchronous_commit', 'off', true) = 'off'`
	if _, err := r.pool.Exec(ctx, sql, Space, shard, r.me, target); err != nil {
		return fmt.Errorf("clear target: %w", err)
	}
	return nil
}

// selectHomeless locks shards that anyone may place: no owner, an owner that is dead, or one that left it unclaimed for
// too long. Rows that somebody else is changing are left to them.
const selectHomeless = `
SELECT l.shard_id, coalesce(l.owner, 0) FROM shard_lease l
 WHERE l.space = $1 AND l.shard_id = ANY($2)
   AND (l.owner IS NULL
        OR NOT EXISTS (SELECT FROM worker w WHERE w.worker_id = l.owner AND w.state <> 3)
        OR (NOT l.claimed AND l.changed_at < clock_timestamp() - $3 * interval '1 millisecond'))
 ORDER BY l.shard_id FOR UPDATE OF l SKIP LOCKED`

// selectPersisters lists who may be given shards: the cordoned only where there is nobody else.
const selectPersisters = `
SELECT worker_id FROM (
    SELECT worker_id, cordoned, bool_and(cordoned) OVER () AS all_cordoned FROM worker
     WHERE state = 1 AND $1 = ANY(roles) AND expires_at > clock_timestamp()) w
 WHERE NOT cordoned OR all_cordoned ORDER BY worker_id`

// updateOwners follows a lock of its rows in the same transaction.
const updateOwners = `
UPDATE shard_lease s SET owner = nullif(u.dest, 0), epoch = s.epoch + 1, claimed = false, target = NULL, changed_at = clock_timestamp()
  FROM unnest($2::int[], $3::bigint[]) u(sid, dest)
 WHERE s.space = $1 AND s.shard_id = u.sid
RETURNING s.shard_id, s.epoch, coalesce(s.owner, 0)`

// adopt: homeless → owner by rendezvous at the next epoch, unclaimed. Without a persister that could take them they stay
// as they are. It returns the new rows.
func (r rows) adopt(ctx context.Context, shards []int) ([]Lease, error) {
	var placed []Lease
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		homeless, err := r.owners(ctx, tx, selectHomeless, Space, shards, ms(r.timing.unclaimed))
		if err != nil || len(homeless) == 0 {
			return err
		}
		workers, err := r.workerIDs(ctx, tx)
		if err != nil || len(workers) == 0 {
			return err
		}
		for i, h := range homeless {
			homeless[i].to = place(h.shard, workers, h.to)
		}
		placed, err = r.give(ctx, tx, homeless)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("adopt shards: %w", err)
	}
	return placed, nil
}

// place picks a shard's owner by rendezvous; not the one who failed it if there is another.
func place(s int, workers []int64, not int64) int64 {
	for _, w := range shard.Rank(strconv.Itoa(s), workers) {
		if w != not {
			return w
		}
	}
	if len(workers) > 0 {
		return workers[0]
	}
	return 0
}

// verify says whether this worker owns the shard at the epoch, in this generation, as of now.
func (r rows) verify(ctx context.Context, shard int, epoch, generation int64) (bool, error) {
	const sql = `
SELECT EXISTS (SELECT FROM shard_lease, cluster_now
                WHERE space = $1 AND shard_id = $2 AND owner = $3 AND epoch = $4 AND same AND generation = $5)`
	var ok bool
	if err := r.pool.QueryRow(ctx, sql, Space, shard, r.me, epoch, generation).Scan(&ok); err != nil {
		return false, fmt.Errorf("verify the lease of shard %d: %w", shard, err)
	}
	return ok, nil
}

// epochsThenLife is epochs, and what cluster_state says in a statement after it: a row that was waited for may be newer
// than the snapshot of its own statement.
func (r rows) epochsThenLife(ctx context.Context, sql string, args ...any) (epochs map[int]int64, now life, err error) {
	batch := &pgx.Batch{}
	batch.Queue(sql, args...).Query(func(found pgx.Rows) (err error) {
		epochs, err = collectEpochs(found)
		return err
	})
	batch.Queue(`SELECT generation, map_version FROM cluster_state`).QueryRow(func(row pgx.Row) error {
		return row.Scan(&now.generation, &now.mapVersion)
	})
	err = r.pool.SendBatch(ctx, batch).Close()
	return epochs, now, err
}

func (r rows) epochs(ctx context.Context, sql string, args ...any) (map[int]int64, error) {
	found, err := r.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return collectEpochs(found)
}

func collectEpochs(found pgx.Rows) (map[int]int64, error) {
	epochs := map[int]int64{}
	var s int
	var e int64
	_, err := pgx.ForEachRow(found, []any{&s, &e}, func() error { epochs[s] = e; return nil })
	return epochs, err
}

// owners returns shards with their present owner in to.
func (r rows) owners(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]handover, error) {
	found, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, func(row pgx.CollectableRow) (h handover, err error) {
		return h, row.Scan(&h.shard, &h.to)
	})
}

func (r rows) workerIDs(ctx context.Context, tx pgx.Tx) ([]int64, error) {
	found, err := tx.Query(ctx, selectPersisters, RolePersister)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowTo[int64])
}

func (r rows) give(ctx context.Context, tx pgx.Tx, hs []handover) ([]Lease, error) {
	shards, dests := make([]int, len(hs)), make([]int64, len(hs))
	for i, h := range hs {
		shards[i], dests[i] = h.shard, h.to
	}
	found, err := tx.Query(ctx, updateOwners, Space, shards, dests)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, func(row pgx.CollectableRow) (l Lease, err error) {
		l.unclaimedSince = r.clock.Now()
		return l, row.Scan(&l.Shard, &l.Epoch, &l.Owner)
	})
}
