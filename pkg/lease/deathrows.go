package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// This file holds how a worker is declared dead, with its SQL. See leaserows.go for the rules of locking.

var (
	// errNotSuspect says that the database doesn't bear a suspicion out.
	errNotSuspect = errors.New("not suspect")
	// errStorm says that too many workers died a short while ago for evidence as weak as this.
	errStorm = errors.New("too many workers fell silent at once")
)

// stormLock is the key of the advisory lock that lets deaths by weak evidence be counted one after the other.
const stormLock = 0x4d79656c696f // not the migrator's, nor a block's

// storm refuses a death by weak evidence that would make it a third of all workers within one time to live: then it is
// the database or the network that is ill. One may always die, or a fleet of three could not lose anybody. The lock is
// held until the transaction ends, so that two observers don't count past each other.
func (r rows) storm(ctx context.Context, tx pgx.Tx) error {
	const count = `
SELECT count(*) FILTER (WHERE state = 3 AND died_of = ANY($2)), count(*) FROM worker
 WHERE state <> 3 OR died_at > clock_timestamp() - $1 * interval '1 millisecond'`
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(stormLock)); err != nil {
		return err
	}
	var died, all int
	if err := tx.QueryRow(ctx, count, ms(r.timing.ttl), []string{Expired.sql(), Unreachable.sql(), stuck.sql()}).Scan(&died, &all); err != nil {
		return err
	}
	if died > 0 && 3*(died+1) >= all {
		return errStorm
	}
	return nil
}

// takeOver: a worker → dead, and what it owns → others by rendezvous at the next epoch, unclaimed, in one transaction.
// The suspicion is checked again under the lock of the worker's row. Its backends are ended first, or a block whose
// client has vanished would hold the leases; never one that waits for a standby, as ending it would make its commit
// visible before it is replicated: then the takeover waits. It returns errNotSuspect if the worker is no longer suspect,
// or somebody else was faster, or this worker's own heartbeat is not good; errStorm if the evidence is too weak now.
func (r rows) takeOver(ctx context.Context, worker int64, why Evidence, since time.Duration) ([]Lease, error) {
	const suspect = `
SELECT 1 FROM worker w
 WHERE w.worker_id = $1 AND w.state <> 3
   AND EXISTS (SELECT FROM worker me WHERE me.worker_id = $2 AND me.state <> 3 AND me.expires_at > clock_timestamp())
   AND CASE $3
       WHEN 'refused' THEN w.expires_at - $4 * interval '1 millisecond' < statement_timestamp() - $5 * interval '1 millisecond'
       WHEN 'superseded' THEN EXISTS (SELECT FROM worker n WHERE n.worker_id > w.worker_id AND (n.pod = w.pod OR n.addr = w.addr))
       WHEN 'unreachable' THEN w.expires_at > clock_timestamp() AND EXISTS (SELECT FROM shard_lease l WHERE l.owner = w.worker_id)
            AND EXISTS (SELECT FROM worker p WHERE p.worker_id <> w.worker_id AND p.state = 1 AND $7 = ANY(p.roles)
                           AND p.expires_at > clock_timestamp())
       WHEN 'stuck' THEN w.worker_id = $2 AND NOT EXISTS (
            SELECT FROM pg_stat_activity a WHERE a.application_name = $6 AND a.datname = current_database()
               AND a.state = 'active' AND a.wait_event_type IS DISTINCT FROM 'Client'
               AND a.query_start < clock_timestamp() - interval '1 second') -- else it is the server that is slow
       ELSE w.expires_at < clock_timestamp() -- expired, silent
            AND pg_postmaster_start_time() < clock_timestamp() - 2 * $4 * interval '1 millisecond'
       END
   FOR UPDATE OF w`
	const bury = `UPDATE worker SET state = 3, died_at = clock_timestamp(), died_of = $2 WHERE worker_id = $1`
	const terminate = `
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE application_name = $1 AND datname = current_database() AND pid <> pg_backend_pid()
   AND wait_event IS DISTINCT FROM 'SyncRep'`
	const owned = `
SELECT shard_id, owner FROM shard_lease WHERE space = $1 AND owner = $2 ORDER BY shard_id FOR UPDATE`

	asked := r.clock.Now()
	var placed []Lease
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if why.weak() {
			if err := r.storm(ctx, tx); err != nil {
				return err
			}
		}
		var one int
		err := tx.QueryRow(ctx, suspect, worker, r.me, why.sql(), ms(r.timing.ttl), ms(since+r.clock.Now().Sub(asked)), ApplicationName(worker),
			RolePersister).Scan(&one)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNotSuspect
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, bury, worker, why.sql()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, terminate, ApplicationName(worker)); err != nil {
			return err
		}
		orphans, err := r.owners(ctx, tx, owned, Space, worker)
		if err != nil || len(orphans) == 0 {
			return err
		}
		workers, err := r.workerIDs(ctx, tx)
		if err != nil {
			return err
		}
		for i, o := range orphans {
			orphans[i].to = place(o.shard, workers, worker)
		}
		placed, err = r.give(ctx, tx, orphans)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take over from worker %d: %w", worker, err)
	}
	return placed, nil
}
