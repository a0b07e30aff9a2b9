package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/lag"
)

// join: → live. It returns errBarrierDue, or ErrProtocol, instead of joining.
func (r rows) join(ctx context.Context, self Self) (int64, error) {
	const sql = `
INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
SELECT $1, $2, $3, $4, $5, 1, clock_timestamp() + $6 * interval '1 millisecond' FROM cluster_now WHERE same AND min_protocol <= $5
RETURNING worker_id`
	const why = `SELECT same FROM cluster_now`
	var worker int64
	err := r.pool.QueryRow(ctx, sql, self.Pod, self.Addr, self.Pool, self.Roles, self.Protocol, ms(r.timing.ttl)).Scan(&worker)
	if errors.Is(err, pgx.ErrNoRows) {
		var same bool
		switch err = r.pool.QueryRow(ctx, why).Scan(&same); {
		case err == nil && same:
			err = ErrProtocol
		case err == nil:
			err = errBarrierDue
		}
	}
	if err != nil {
		return 0, fmt.Errorf("insert the worker: %w", err)
	}
	return worker, nil
}

// digests stand for what a beat answered; empty ones for nothing.
type digests struct{ leases, workers string }

// answer is what a heartbeat brings back. leases and workers are nil if their digests are as before.
type answer struct {
	state   State // of this worker's row
	digests digests
	life    life
	leases  []Lease
	workers []Worker
	leader  leaderRow
	soonest *int64 // ms until the next heartbeat of another worker would expire; nil: there is none
	clock   time.Time
	// minProtocol is the oldest with which a worker may join.
	minProtocol int
}

// leaderRow is the row of the balancer.
type leaderRow struct {
	Worker    int64 `json:"worker"`
	Term      int64 `json:"term"`
	ExpiresMS int64 `json:"expires_ms"`
}

// beat: live or leaving → the same for another time to live, with what this worker measures of its lag. One statement, its
// commit not waited for; it reads the lease and worker rows in the same snapshot, and sends them only if they differ from what
// the digests stand for. In another database than this (a uuid, "" for any) nothing is written. The lag, which changes with
// each beat, is in no digest: whoever wants it reads the rows.
func (r rows) beat(ctx context.Context, conn *pgxpool.Conn, database string, had digests, measured lag.Reading) (answer, error) {
	const sql = `
WITH c AS MATERIALIZED (SELECT * FROM cluster_now),
beat AS (
    UPDATE worker SET expires_at = clock_timestamp() + $2 * interval '1 millisecond', lag = $8::jsonb
     WHERE worker_id = $1 AND state <> 3 AND (SELECT database_id::text = $7 OR $7 = '' FROM c)
       AND set_config('synchronous_commit', 'off', true) = 'off'
    RETURNING state),
l AS MATERIALIZED (
    SELECT shard_id, owner, epoch, claimed, target, changed_at FROM shard_lease WHERE space = $3),
w AS MATERIALIZED (
    SELECT worker_id, pod, addr, pool, roles, protocol, state, cordoned, started_at, expires_at,
           worker_id <> $1 AND expires_at < clock_timestamp() AS expired -- its own row is as it was before this beat
      FROM worker WHERE state <> 3),
d AS MATERIALIZED (
    SELECT coalesce((SELECT sum(hash_record_extended((shard_id, owner, epoch, claimed, target), 0)) FROM l), 0)::text AS leases,
           coalesce((SELECT sum(hash_record_extended((worker_id, state, expired, cordoned), 0)) FROM w WHERE worker_id <> $1 OR cordoned), 0)::text
           || coalesce((SELECT state FROM beat), 3)::text AS workers)
SELECT coalesce((SELECT state FROM beat), 3), d.leases, d.workers,
       CASE WHEN d.leases <> $4 THEN (SELECT json_agg(json_build_object(
           'shard', shard_id, 'owner', owner, 'epoch', epoch, 'claimed', claimed, 'target', target,
           'age_ms', (1000 * extract(epoch FROM clock_timestamp() - changed_at))::bigint)) FROM l) END,
       CASE WHEN d.workers <> $5 THEN (SELECT json_agg(json_build_object(
           'id', worker_id, 'pod', pod, 'addr', addr, 'pool', pool, 'roles', roles, 'protocol', protocol, 'state', state, 'cordoned', cordoned,
           'started_ms', (1000 * extract(epoch FROM started_at))::bigint,
           'expires_ms', (1000 * extract(epoch FROM expires_at - clock_timestamp()))::bigint, 'expired', expired)) FROM w) END,
       (SELECT json_build_object('worker', worker_id, 'term', term,
           'expires_ms', (1000 * extract(epoch FROM greatest(expires_at, to_timestamp(0)) - clock_timestamp()))::bigint)
          FROM leader WHERE name = $6),
       (SELECT (1000 * extract(epoch FROM min(expires_at) - clock_timestamp()))::bigint FROM w WHERE worker_id <> $1 AND NOT expired),
       clock_timestamp(), c.database_id::text, c.generation, c.timeline, c.system_id, c.same, c.map_version, c.min_protocol
  FROM d, c`
	var a answer
	var leases, workers, leader []byte
	err := conn.QueryRow(ctx, sql, r.me, ms(r.timing.ttl), Space, had.leases, had.workers, leaderName, database, encodeLag(measured)).
		Scan(&a.state, &a.digests.leases, &a.digests.workers, &leases, &workers, &leader, &a.soonest, &a.clock,
			&a.life.database, &a.life.generation, &a.life.timeline, &a.life.system, &a.life.same, &a.life.mapVersion, &a.minProtocol)
	if err != nil {
		return answer{}, fmt.Errorf("heartbeat: %w", err)
	}
	now := r.clock.Now()
	if leases != nil {
		if a.leases, err = decodeLeases(leases, now); err != nil {
			return answer{}, err
		}
	}
	if workers != nil {
		if a.workers, err = decodeWorkers(workers); err != nil {
			return answer{}, err
		}
	} else if had.workers != a.digests.workers {
		a.workers = []Worker{} // nobody, this worker included
	}
	if leader != nil {
		if err := json.Unmarshal(leader, &a.leader); err != nil {
			return answer{}, fmt.Errorf("decode the leader: %w", err)
		}
	}
	return a, nil
}

func decodeLeases(raw []byte, now time.Time) ([]Lease, error) {
	var list []struct {
		Shard         int
		Owner, Target int64
		Epoch         int64
		Claimed       bool
		AgeMS         int64 `json:"age_ms"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("decode leases: %w", err)
	}
	leases := make([]Lease, 0, len(list))
	for _, l := range list {
		n := Lease{Shard: l.Shard, Owner: l.Owner, Epoch: l.Epoch, Claimed: l.Claimed, Target: l.Target}
		if !l.Claimed {
			n.unclaimedSince = now.Add(-time.Duration(l.AgeMS) * time.Millisecond)
		}
		leases = append(leases, n)
	}
	return leases, nil
}

func decodeWorkers(raw []byte) ([]Worker, error) {
	var list []struct {
		ID              int64
		Pod, Addr, Pool string
		Roles           []string
		Protocol        int
		State           State
		Cordoned        bool
		StartedMS       int64 `json:"started_ms"`
		ExpiresMS       int64 `json:"expires_ms"`
		Expired         bool
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("decode workers: %w", err)
	}
	workers := make([]Worker, 0, len(list))
	for _, w := range list {
		workers = append(workers, Worker{
			ID: w.ID, Pod: w.Pod, Addr: w.Addr, Pool: w.Pool, Roles: w.Roles, Protocol: w.Protocol, State: w.State, Cordoned: w.Cordoned,
			StartedAt: time.UnixMilli(w.StartedMS), ExpiresIn: time.Duration(w.ExpiresMS) * time.Millisecond, expired: w.Expired,
		})
	}
	return workers, nil
}

// encodeLag returns NULL for what is not known.
func encodeLag(measured lag.Reading) *string {
	text, err := json.Marshal(measured)
	if err != nil || len(measured) == 0 {
		return nil
	}
	s := string(text)
	return &s
}

// decodeLag takes what it cannot read, such as a later build's, for unknown.
func decodeLag(text []byte) lag.Reading {
	var measured lag.Reading
	if len(text) == 0 || json.Unmarshal(text, &measured) != nil {
		return nil
	}
	return measured
}

// readWorkers reads the workers that are live or leaving, as of now.
func (r rows) readWorkers(ctx context.Context) ([]Worker, error) {
	const sql = `
SELECT worker_id, pod, addr, pool, roles, protocol, state, cordoned, started_at, lag,
       (1000 * extract(epoch FROM clock_timestamp() - started_at))::bigint,
       (1000 * extract(epoch FROM expires_at - clock_timestamp()))::bigint
  FROM worker WHERE state <> 3 ORDER BY worker_id`
	found, err := r.pool.Query(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("read workers: %w", err)
	}
	workers, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (w Worker, err error) {
		var age, expires int64
		var measured []byte
		err = row.Scan(&w.ID, &w.Pod, &w.Addr, &w.Pool, &w.Roles, &w.Protocol, &w.State, &w.Cordoned, &w.StartedAt, &measured, &age, &expires)
		w.Age, w.Lag = time.Duration(age)*time.Millisecond, decodeLag(measured)
		w.ExpiresIn = time.Duration(expires) * time.Millisecond
		w.expired = expires < 0
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("read workers: %w", err)
	}
	return workers, nil
}

// cordon: live persister → the same, cordoned or not. False: there is none of this id.
func (r rows) cordon(ctx context.Context, worker int64, cordoned bool) (bool, error) {
	const sql = `UPDATE worker SET cordoned = $2 WHERE worker_id = $1 AND state = 1 AND $3 = ANY(roles)`
	tag, err := r.pool.Exec(ctx, sql, worker, cordoned, RolePersister)
	if err != nil {
		return false, fmt.Errorf("cordon the worker: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// leave: live → leaving.
func (r rows) leave(ctx context.Context) error {
	_, err := r.pool.Exec(ctx, `UPDATE worker SET state = 2 WHERE worker_id = $1 AND state = 1`, r.me)
	if err != nil {
		return fmt.Errorf("mark the worker as leaving: %w", err)
	}
	return nil
}

// quit: leaving → dead, if it owns nothing. True if the row is dead now.
func (r rows) quit(ctx context.Context) (bool, error) {
	const sql = `
UPDATE worker SET state = 3
 WHERE worker_id = $1 AND state <> 1 AND NOT EXISTS (SELECT FROM shard_lease WHERE owner = $1)`
	tag, err := r.pool.Exec(ctx, sql, r.me)
	if err != nil {
		return false, fmt.Errorf("mark the worker as gone: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// leaderName is the row of the worker that spreads shards.
const leaderName = "balancer"

// lead: nobody's, expired, a dead worker's or this worker's term → this worker's for another time to live. A term is
// one worker's. Zero: somebody else leads.
func (r rows) lead(ctx context.Context) (int64, error) {
	const sql = `
INSERT INTO leader AS o (name, worker_id, term, expires_at)
SELECT $1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond'
 WHERE EXISTS (SELECT FROM worker WHERE worker_id = $2 AND state = 1)
ON CONFLICT (name) DO UPDATE
   SET worker_id = excluded.worker_id, expires_at = excluded.expires_at,
       term = CASE WHEN o.worker_id = excluded.worker_id AND o.expires_at > clock_timestamp() THEN o.term ELSE o.term + 1 END
 WHERE o.worker_id = excluded.worker_id OR o.expires_at < clock_timestamp()
    OR NOT EXISTS (SELECT FROM worker w WHERE w.worker_id = o.worker_id AND w.state <> 3)
RETURNING term`
	var term int64
	err := r.pool.QueryRow(ctx, sql, leaderName, r.me, ms(r.timing.leaderTTL)).Scan(&term)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("lead: %w", err)
	}
	return term, nil
}

// resign: this worker's term → expired.
func (r rows) resign(ctx context.Context) error {
	_, err := r.pool.Exec(ctx, `UPDATE leader SET expires_at = to_timestamp(0) WHERE name = $1 AND worker_id = $2`, leaderName, r.me)
	if err != nil {
		return fmt.Errorf("resign: %w", err)
	}
	return nil
}

// prune forgets workers that have been dead for long.
func (r rows) prune(ctx context.Context) error {
	const sql = `DELETE FROM worker WHERE state = 3 AND expires_at < clock_timestamp() - $1 * interval '1 millisecond'`
	if _, err := r.pool.Exec(ctx, sql, ms(r.timing.keepDead)); err != nil {
		return fmt.Errorf("prune workers: %w", err)
	}
	return nil
}
