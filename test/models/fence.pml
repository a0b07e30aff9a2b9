/* The fence at write: one shard with one room, two workers that both may believe they own it.

   In the code: block_begin (pkg/schema/migrations), pkg/persister (lane, settle, session.resolve), and the transitions of
   pkg/lease/leaserows.go. A statement that locks the lease row FOR UPDATE is one atomic step that waits for the blocks in
   flight, which hold it FOR SHARE. Everything may be late: a backend begins long after its client gave up, a worker
   hears of a loss or of its own death at any time, or never.

   Kept: I1 (lease in force at commit), I2, I3 (an acknowledged event is there; what was said not to be written never
   will be), I5 (an event is stored on the one it was built on), and no refusal from a room that is out of date.

   Rules that can be removed, each of which must be missed: NO_FENCE NO_SHARE NO_EPOCH NO_RAISE LOOK_FIRST RAISE_NO_WAIT
   TAKEOVER_NO_WAIT KEEP_EPOCH KEEP_ROOM STALE_ROOM NO_VERIFY EARLY_ANSWER. SILENT leaves the refusals out, so that a room
   that is out of date is noticed by a write. */

#ifndef BLOCKS
#define BLOCKS 2	/* blocks sent in all */
#endif
#ifndef MOVES
#define MOVES 2		/* changes of owner in all */
#endif

/* The rules, as the code keeps them, and each one's removal. */
#if defined(NO_FENCE)			/* block_begin compares nothing */
#define HOLDS(w, e)	true
#elif defined(NO_EPOCH)			/* block_begin compares the owner alone */
#define HOLDS(w, e)	(owner == w)
#else
#define HOLDS(w, e)	(owner == w && epoch == e)
#endif
#ifdef NO_SHARE				/* block_begin reads the row without FOR SHARE */
#define SHARES		0
#else
#define SHARES		1
#endif
#ifdef RAISE_NO_WAIT			/* raise does not wait for the block in flight */
#define RAISE_FREE	true
#else
#define RAISE_FREE	(shares == 0)
#endif
#ifdef TAKEOVER_NO_WAIT			/* takeOver does not wait for the block in flight */
#define TAKEOVER_FREE	true
#else
#define TAKEOVER_FREE	(shares == 0)
#endif
#ifdef KEEP_EPOCH			/* transfer changes the owner, not the epoch */
#define NEXT_EPOCH	epoch
#else
#define NEXT_EPOCH	epoch + 1
#endif
#ifdef STALE_ROOM			/* a room in memory counts whatever it was loaded under, and outlives Lost */
#define IN_MEMORY	(loaded != 0)
#define DROP_SHARD	skip
#else
#define IN_MEMORY	(loaded == held)
#define DROP_SHARD	loaded = 0; base = 0
#endif
#ifdef KEEP_ROOM			/* events of a block that failed stay in the room */
#define DROP_ROOM	skip
#else
#define DROP_ROOM	loaded = 0; base = 0
#endif
#ifdef NO_VERIFY			/* a refusal is told without Leases.Verify */
#define VERIFIED	true
#else
#define VERIFIED	(owner == me && epoch == held)
#endif

mtype = { committed, lost, aborted,	/* outcomes: pkg/persister/outcome.go; 0: none yet */
	written, not_written };		/* what was said of a block before its end */

/* shard_lease, worker, event */
byte owner = 1, epoch = 1;
bool claimed = true;
bool dead[3];		/* worker.state = 3 */
byte shares;		/* transactions that hold the lease row FOR SHARE */
byte head;		/* the room's newest event: they are numbered */
mtype outcome[BLOCKS];

byte blocks, moves;
bool late;		/* some raise has been sent twice */

/* Ghosts: what was said of blocks that are still on their way, and who wrote last, under which epoch. */
mtype said[BLOCKS];
byte writer, wrote;

inline not_there(b) {
	assert(said[b] != written)	/* I3 */
}

/* A block's transaction in the server. */
proctype Backend(byte b; byte w; byte e; byte base) {
	atomic {	/* block_begin, step 2: SELECT … FOR SHARE, comparing owner and epoch; MX001 */
		if
		:: HOLDS(w, e) -> shares = shares + SHARES
		:: else -> not_there(b); outcome[b] = lost; goto done
		fi
	}
	if
	:: atomic {	/* COMMIT */
		assert(owner == w && epoch == e);		/* I1 */
		assert(e > wrote || (e == wrote && w == writer));	/* one owner an epoch, I2 */
		assert(base == head);				/* I5 */
		assert(said[b] != not_written);			/* I3 */
		writer = w; wrote = e; head++; shares = shares - SHARES; outcome[b] = committed }
	:: atomic {	/* an ERROR, or the backend was ended */
		not_there(b); shares = shares - SHARES; outcome[b] = aborted }
	fi;
done:	atomic {	/* nobody waits for what was given up */
		if :: said[b] -> said[b] = 0; outcome[b] = 0 :: else fi;
		b = 0; w = 0; e = 0; base = 0	/* what has ended has no state */
	}
}

/* rows.raise: owner = me at this epoch, or claimed at a later one → the next epoch. */
inline raise(w, e, raised) {
	if
	:: owner == w && (epoch == e || (claimed && epoch > e)) -> epoch++; raised = epoch
	:: else -> raised = 0
	fi
}

/* session.resolve: the outcome is what stands in the table. */
inline look(b) {
	if
	:: outcome[b] -> outcome[b] = 0		/* committed: answered; else it has certainly come to nothing */
	:: else -> said[b] = not_written	/* not there: the write starts again */
	fi
}

/* A raise whose answer was lost, and that comes after the one that followed it. */
proctype LateRaise(byte w; byte e) {
	byte raised;
	atomic { shares == 0 -> raise(w, e, raised); w = 0; e = 0; raised = 0 }
}

proctype Worker(byte me) {
	byte held;	/* Manager.held: the shard's epoch; 0: Lost */
	byte loaded;	/* room.epoch: what the room was loaded under; 0: not in memory */
	byte base;	/* room.heads: its newest event, uncommitted ones included */
	byte b, e, raised;

	if :: owner == me -> held = epoch :: else fi;
end:	do
	/* settle, claim, Granted; a row at a later epoch was others' in between: Lost first. */
	:: atomic { owner == me && (held != epoch || !claimed) && shares == 0 && !dead[me] ->
		claimed = true; e = epoch; DROP_SHARD };
	   atomic { held = e; e = 0 }
	/* settle: not this worker's any more. */
	:: atomic { held && owner != me -> held = 0; DROP_SHARD }
	/* A dead worker's Run ends, whenever it hears of it. */
	:: atomic { dead[me] -> held = 0; loaded = 0; base = 0; break }

	/* The loader: the room is marked with the epoch first and read afterwards. */
	:: atomic { held && !IN_MEMORY -> loaded = held };
	   base = head

	/* The room's turn, and the block's way. */
	:: atomic { held && IN_MEMORY && blocks < BLOCKS ->
		b = blocks; blocks++; e = held; run Backend(b, me, e, base); base++ };
#ifdef EARLY_ANSWER			/* the client is answered before the commit */
	   said[b] = written;
#endif
	   if
	   :: atomic { outcome[b] == committed -> outcome[b] = 0 }	/* answered */
	   :: atomic { outcome[b] == lost ||	/* MX001: 421, or again under a newer epoch: see settle */
	      outcome[b] == aborted -> outcome[b] = 0; DROP_ROOM }	/* restart */
	   :: true ->					/* unknown: the connection broke, or it took too long */
#ifdef LOOK_FIRST			/* resolve looks before it raises */
		atomic { look(b) };
#endif
#ifndef NO_RAISE			/* resolve only looks */
		if
		:: atomic { !late -> late = true; run LateRaise(me, e) }
		:: true
		fi;
		atomic { RAISE_FREE -> raise(me, e, raised) };
		atomic { held = raised; raised = 0 };
#endif
#ifndef LOOK_FIRST
		atomic { look(b) };
#endif
		DROP_ROOM
	   fi;
	   atomic { b = 0; e = 0 }

#ifndef SILENT
	/* A refusal from memory: only who is the owner may say no. */
	:: atomic { held && IN_MEMORY && VERIFIED ->
		assert(base == head) }				/* no refusal from an old room */
#endif

	/* transfer, by the owner itself, after Quiesce: nothing of it is in a block. */
	:: atomic { held && owner == me && epoch == held && shares == 0 && moves < MOVES && !dead[3 - me] ->
		moves++; owner = 3 - me; epoch = NEXT_EPOCH; claimed = false; held = 0; DROP_SHARD }
	/* takeOver: of a worker that may be alive. Ending its backends only saves waiting. */
	:: atomic { owner == 3 - me && !dead[me] && TAKEOVER_FREE && moves < MOVES ->
		moves++; dead[3 - me] = true; owner = me; epoch++; claimed = false }
	/* adopt: unclaimed for too long. */
	:: atomic { owner == 3 - me && !claimed && shares == 0 && !dead[me] && moves < MOVES ->
		moves++; owner = me; epoch++ }
	od
}

/* Postgres crashes: claimed was committed asynchronously, so it may be lost; owner and epoch are not. */
proctype Crash() {
	if :: shares == 0 -> claimed = false :: true fi
}

init { atomic { run Worker(1); run Worker(2); run Crash() } }
