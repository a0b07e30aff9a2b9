// Package persister is the role that writes rooms. Of all workers only the one that holds a room's shard writes it; this
// package is what that worker does with the privilege.
//
// # The path of a write
//
//	HTTP handler → queue → lane ─ room actor ─┐                ┌→ answer
//	                 (dedupe, build, authorise, sign)→ block → commit
//	                                                           └→ publish
//
// A [Persister] has a few lanes. A lane has one direct connection to Postgres and the shards s with s mod lanes = its
// number, for as long as it lives: no two transactions of this process lock the same lease row, so Postgres never needs a
// multixact. Within a lane one goroutine, the loop, owns everything: the rooms in memory (a room is an actor whose turn
// comes with each of its writes), the deduplication keys, the block that collects. It never waits for the database; the
// committer and the loader, a goroutine each, do, for one block and one set of rooms at a time. While one block commits
// the next collects, at most 200 events or 1 MiB, so blocks grow with load and a lone event waits for nothing. In a
// lane that has much to do the next block stays for some milliseconds, for more: see gathering.
//
// # States of a write
//
//	queued ──→ waiting for its room to be loaded ──→ in the collecting block ──→ in the committing block ──→ answered
//	   ▲                                                        │                          │
//	   └────────────────── its block failed ────────────────────┴──────────────────────────┘
//
// A queued write may be dropped when its client has gone; one in a block is carried to its end. A write that needs no
// event of its own (a refusal, a repetition, a change that changes nothing) but follows from events that are not
// committed rides on their block: it is answered when the block has committed, and starts again when the block failed.
// Writes of a quiesced shard are parked until [Persister.Granted] or [Persister.Lost] says how it goes on.
//
// # Invariants
//
// I1, every committed event carries the lease in force at its commit: block_begin, the first statement of the block's
// transaction, locks the lease rows FOR SHARE and compares owner and epoch; the events of a block carry the epochs that
// it compared. What is in memory about a room counts only under the epoch it was loaded under.
//
// I3, every acknowledged event is there exactly once: an answer is given only after COMMIT has returned, or after the
// outcome was looked up. A block whose outcome is unknown is first made impossible to commit late (the epochs of its
// shards are raised by compare-and-set, which waits for the block's row locks) and then looked for by event id.
//
// I4, one event per deduplication key: the key's row is in the event's transaction, and its unique index is the judge.
// The row is written on the day of an older row with that key, if there is one, so that days, which are partitions, make
// no difference. Memory and the look-up with the loading of a room only save the judge from being called.
//
// I5, within a room positions follow persist order: a room's writes pass one loop, blocks of a lane commit one after the
// other, and a shard does not change lanes. Events of the same room in one block, or in the block that collects while the
// other commits, follow each other optimistically; if a block fails, it and the collecting one are dissolved, every room
// in them is forgotten, and their writes start again, first come first.
//
// # Memory
//
// A room in memory is not made of events: of each event of its state a fact is left, and of its newest a head, which is
// what the next event is built and judged from. No message of such a room needs Postgres before its commit. The cache
// forgets the rooms used longest ago, by number and by the bytes that they really take of the heap.
//
// # Warm handoff
//
// [Persister.Warm] sends copies of rooms in use to the worker that is to own their shard, which loads them when it does:
// see roomCopy for why a copy can be used at all, and when it is not.
//
// # Failures
//
//	MX001, some leases lost     those writes: 421 with the new owner, if Leases agrees; all others start again at once
//	MX002, another generation   leases are read again, and all start again: what was in memory is gone by then ([Persister.Reset])
//	MX003, a barrier is due     start again, until a worker has committed it
//	another database            the lane stops, and with it Run
//	SQLSTATE class 22, 23, 54   the next block is half as large, until one write fails alone; blocks grow again from there
//	corrupt data (class XX)     the same
//	a lock, or a statement, that took too long: the same, but who is alone gets a second try
//	a key that is there already look up the keys of the block, answer those from what is found, the others start again
//	any other ERROR             nothing was written: start again, after a pause that doubles up to half a second, on a new
//	                            connection, for the server may have become a standby
//	anything else               unknown: raise, look, then answer or start again
//
// A block of unknown outcome is looked for in the generation that its epochs were raised in, never in an older one: an old
// primary may still have it. So is one that was committed before the generation moved, if nobody was answered yet.
//
// Before a refusal that was computed from memory is answered, or that a room is already as asked for, the lease row is
// read again (Leases.Verify): who has lost the shard answers 421 instead, since what it remembers may be old.
package persister
