// Package lease decides which worker writes which shard: membership, heartbeats, the lease table, handoff, takeover,
// drain and even spread. Postgres holds the truth, one row a shard and one a worker; this package holds
// every transition of those rows (leaserows.go, deathrows.go, memberrows.go, maprows.go, barrierrows.go).
//
// # States
//
// A worker's row: live → leaving (Drain) → dead; live or leaving → dead (takeover). Dead is final, ids are never used
// again, and a process whose row is dead has to end. A live persister may be cordoned: it keeps what it has, and is given
// shards only where all persisters are. That is a wish, not an invariant: nothing but placement looks at it.
//
// A shard's row, with the statement that makes each step:
//
//	nobody's, or its owner dead ──adopt──▶ B's, unclaimed ──claim──▶ B's, claimed ──aim──▶ B's, claimed, target C
//	B's, claimed [, target C]   ──transfer (B itself)──▶ C's, unclaimed, epoch+1      planned: handoff, drain
//	B's                         ──transfer to nobody──▶ nobody's, epoch+1             drain without another persister
//	B's                         ──takeOver (anybody)──▶ D's, unclaimed, epoch+1       B is dead from then on
//	B's, unclaimed for 2 s      ──adopt (anybody)──▶ D's, unclaimed, epoch+1          B didn't notice
//	B's, claimed                ──raise (B itself)──▶ B's, claimed, epoch+1           B's writes are of unknown outcome
//
// In the owner's memory a shard is held from Granted to Lost; in between it may be quiesced for a handoff.
//
// # Invariants
//
//   - A write commits only under the owner and epoch in the row (I1). block_begin locks the row FOR SHARE to its commit,
//     every change of owner or epoch needs the row exclusively. So a takeover waits for the last block in flight, and a
//     block that comes later is refused. No clock takes part.
//   - An epoch only grows, by every change of owner and by raise (I2).
//   - A worker owns what the row says with its id, nothing else: not what it once had, not what its pod had.
//   - Rows are locked in the order of shard_id, everywhere.
//   - A planned move fails no request (I9): the old owner stops, lets its block commit, and only then writes the new
//     owner; meanwhile requests wait. If the new owner is gone, the old one goes on.
//   - Every shard gets a live owner within 5 s of one fault, within 1 s of a refused dial (I8): any live worker may take
//     over, place what nobody serves, or lead the balancing.
//
// # What may fail
//
//   - A heartbeat doesn't come back: after 2.5 s, counted from before it was sent, OwnLease is false and nothing else is
//     judged or moved. The first one that succeeds brings the truth. Rows that did not change since are still ours, with
//     all that is in memory: whoever takes them raises the epoch.
//   - A transfer's outcome is unknown: the shard stays quiesced until its epoch has been raised, or is known to be lost.
//   - The new owner dies before it claims: it is taken over from; if it merely sleeps, after 2 s anybody places the shard.
//   - A worker is shot by mistake: its writes fail at the fence, its next heartbeat says dead, Run returns
//     ErrDeclaredDead. Only who heartbeats itself may shoot, for an expired heartbeat only after a full time to live of
//     its own and not soon after a start of Postgres. A third of all workers is never shot within one time to live unless
//     dials fail, too: rather it is the database or the network that is ill. (One may always be, as two workers must
//     survive the loss of one.)
//   - A lane hangs while the heart beats: the worker notices by [Progress] and shoots itself after 3.5 s, under the same
//     bound, and not while it is the server that keeps its lanes waiting. Nobody else can tell: a request that waits long
//     may wait for many reasons.
//   - A worker is reached by nobody though its heart beats: when neither the observer nor a second peer gets an answer out
//     of it, twice, its shards are given to another persister if there is one, under the same bound.
//   - The clock of the database jumps: every worker notices by its own, and judges nobody for a time to live.
//   - The database pauses: all stand still, and go on together.
//   - The nudge is lost: the heartbeat, once a second, brings the same news.
//   - Two balancers: both write by compare-and-set on epoch and empty target; one of them writes nothing.
//   - A standby is promoted that lacks what was acknowledged last, or a backup restored: its timeline or system is not the
//     one recorded, so block_begin refuses every write until some worker has committed the barrier (barrierrows.go), and
//     heartbeats bring nothing until then. Everything that was remembered is dropped (Manager.OnReset). A former primary
//     that still runs agrees with itself and is told by its older timeline only to who has seen the newer one: such a
//     worker serves nothing while the name of the database leads there. Nothing here helps against clients of a former
//     primary that have seen nothing newer; that takes synchronous replication.
//   - Postgres crashes and loses claimed or target, which are committed asynchronously: the owner claims again, the
//     balancer aims again. Owner and epoch are never lost.
package lease
