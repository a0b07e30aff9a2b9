/* A failover of Postgres that loses what was committed last: a standby that lags is promoted, and until one worker has
   committed the barrier nothing is written. One shard with one room, two workers.

   In the code: block_begin of migration 0005 (pkg/schema/migrations), rows.barrier (pkg/lease/barrierrows.go), life.follows
   and Manager.reset (pkg/lease/generation.go), rows.verify (leaserows.go). Claims, transfers and raises are not held back
   before the barrier, as in the code: what they grant is good for nothing until then, and gone after it. Left out is a
   former primary that still runs and that some connection still leads to.

   Kept: I1 and I5 across the failover (a block commits, and a refusal is told, only from what was read in the past that is
   left), and I6 (no number is given out that anybody may have been told).

   Rules that can be removed, each of which must be missed: NO_SAME NO_LEAP VERIFY_NO_SAME, and NO_GENERATION with
   NO_EPOCH_LEAP: either of these two keeps out what was built on the lost past. KEEP_OWNERS and NO_SECOND_LOOK (the
   barrier may come twice) are not missed: they cost time only. */

#define BLOCKS 2
#define MOVES 2
#ifdef NO_LEAP			/* the sequence goes on where the standby had it */
#define LEAP 0
#else
#define LEAP 8
#endif
#ifdef NO_EPOCH_LEAP
#define EPOCH_LEAP 0
#else
#define EPOCH_LEAP 16
#endif

/* The primary's rows; the standby's, as far as it has replayed them. */
byte owner = 1, epoch = 1, generation = 1, last, head;
byte s_owner = 1, s_epoch = 1, s_last, s_head;
bool same = true;		/* timeline and system are the recorded ones */
byte shares;
byte blocks, moves;
/* Ghosts. */
byte history = 1;		/* which past the rows have */
byte told;			/* the greatest block ever committed, so perhaps read by somebody */

#ifdef NO_SAME			/* block_begin does not look at the timeline */
#define SAME true
#else
#define SAME same
#endif
#ifdef VERIFY_NO_SAME		/* nor does Verify */
#define VERIFIED (owner == me && epoch == held)
#else
#define VERIFIED (owner == me && epoch == held && same && generation == known)
#endif
#ifdef NO_GENERATION
#define GENERATION true
#else
#define GENERATION (generation == g)
#endif

proctype Backend(byte w; byte e; byte g; byte base; byte past) {
	byte in, id;
	atomic {
		if
		:: owner == w && epoch == e && SAME && GENERATION -> shares++; in = history; last++; id = last
		:: else -> goto done
		fi
	}
	if
	:: atomic { in == history ->
		assert(past == history && base == head);	/* I1, I5: built on what is left */
		assert(id > told);		/* I6 */
		told = id; head++; shares-- }
	:: atomic { in == history -> shares-- }
	:: atomic { in != history }		/* it went with its server */
	fi;
done:	atomic { w = 0; e = 0; g = 0; base = 0; past = 0; in = 0; id = 0 }
}

proctype Worker(byte me) {
	byte held, known = 1, loaded, base, past;
	if :: owner == me -> held = epoch :: else fi;
end:	do
	/* settle: a claim, whatever the server is. */
	:: atomic { owner == me && held != epoch -> held = epoch }
	:: atomic { held && owner != me -> held = 0 }
	/* The loader; memory counts under the epoch that it was read under. */
	:: atomic { held && loaded != held && blocks < BLOCKS -> loaded = held; base = head; past = history }
	/* A block. It is settled as fence.pml says; whatever it came to, the room is read again. */
	:: atomic { held && loaded == held && blocks < BLOCKS -> blocks++; run Backend(me, held, known, base, past);
		loaded = 0; base = 0; past = 0 };
	   if
	   :: atomic { shares == 0 && owner == me && epoch == held -> epoch++; held = epoch }
	   :: atomic { shares == 0 && !(owner == me && epoch == held) -> held = 0 }
	   fi
	/* A refusal from memory. */
	:: atomic { held && loaded == held && VERIFIED ->
		assert(past == history && base == head) }	/* no refusal from a lost past */
	/* transfer, takeOver, adopt. */
	:: atomic { owner != me && shares == 0 && moves < MOVES -> moves++; owner = me; epoch++ }
	/* The heartbeat: a barrier is due, or somebody has committed it: reset. */
#ifdef NO_SECOND_LOOK
	:: atomic { !same }; atomic { shares == 0 && generation < 4 ->
#else
	:: atomic { !same && shares == 0 ->
#endif
		generation++; epoch = epoch + EPOCH_LEAP; last = last + LEAP; same = true;
#ifndef KEEP_OWNERS
		owner = 0
#endif
	   }
	:: atomic { same && known != generation -> known = generation; held = 0; loaded = 0; base = 0; past = 0 }
	:: atomic { owner == 0 && shares == 0 -> owner = me; epoch++ }
	od
}

proctype World() {
	/* The standby replays up to here, */
	atomic { s_owner = owner; s_epoch = epoch; s_last = last; s_head = head };
	/* and is promoted. */
	atomic { history++; same = false; shares = 0;
		owner = s_owner; epoch = s_epoch; last = s_last; head = s_head; s_owner = 0; s_epoch = 0; s_last = 0; s_head = 0 }
}

init { atomic { run Worker(1); run Worker(2); run World() } }
