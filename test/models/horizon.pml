/* The horizon: P, at or below which every committed block can be seen and none will be added. Two writers, two workers
   that may both believe they announce, one follower with the bodies that it heard.

   In the code: block_begin (pkg/schema/migrations); closer.step, closer.index and terminateStuck of
   pkg/horizon/closer.go; row.go, outbox.go, digest.go, term.go; Follower.take, poll and move of pkg/horizon/follower.go;
   bodies: persister.persist (publish after the commit) and pkg/sync/feed.go, catchup.go. The server may crash:
   transactions, sessions and locks are gone, the sequence goes back as far as nothing durable used it, and so does the
   row of P, which is written with asynchronous commit.

   Kept: I6 (no block appears at or below a P that was told, and the row never goes back while the server lives), I7
   (what a follower is told of (from, to] are all the blocks there, once), I10 (what is served is what was committed),
   I11 without its seconds (with LIVE: the follower comes to the last block, though a writer hangs, an announcer dies and
   the bus loses what it likes).

   Rules that can be removed, each of which must be missed: NO_KEY KEY_LATE RELEASE_EARLY KEYS_FIRST BLOCKS_FIRST NO_CAP
   TWO_SESSIONS ROW_BACK NO_GAP_FILL NO_TRIM POLL_JUMPS TRUST_BODIES NO_READ PUBLISH_EARLY; with LIVE: NO_KILL
   NO_ELECTION NO_POLL. NO_TERM is not missed: terms only spare work. */

#if defined(LIVE)
#define COARSE		/* the steps of block_begin, the commit and closer.step are looked at without a follower */
#define WRITERS 2
#define ROUNDS 1	/* transactions of a writer */
#define IDS 2		/* numbers that are drawn */
#define CRASHES 0
#define EXPIRIES 0	/* of terms whose announcer lives */
#elif defined(CRASH) || defined(TERMS)
#define FOLLOW
#define COARSE
#define WRITERS 2
#define ROUNDS 1
#define IDS 2
#ifdef CRASH
#define CRASHES 1
#define EXPIRIES 0
#else
#define CRASHES 0
#define EXPIRIES 1
#endif
#else
#define WRITERS 2
#define ROUNDS 2
#define IDS 3
#define CRASHES 1
#define EXPIRIES 0
#endif
#ifdef LIVE
#define DUE		(p == saved)	/* the row waits for one round at most: rowSpacing */
#else
#define DUE		true
#endif
#if defined(FOLLOW) || defined(LIVE)
#define ANNOUNCE	if :: nfull(bus) -> bus!p, to, bits :: true fi	/* the bus may lose anything */
#define PUBLISH		if :: body[id] = tag[me] :: true fi
#else
#define ANNOUNCE	skip
#define PUBLISH		skip
#endif
#define NONE 255

/* In the server's memory. */
byte life = 1;			/* which start of the server this is */
byte last;			/* stream_seq.last_value */
byte key[WRITERS];		/* advisory lock: last_value as it was read, + 1; 0: not registered */
/* On its disk. */
byte block[IDS + 1];		/* stream_block, and what can be seen of it: which transaction wrote it; 0: none */
byte flushed[WRITERS], tag[WRITERS];	/* committed, and not to be seen yet; who it is */
byte durable;			/* the sequence goes back to this in a crash, or stays */
byte row;			/* horizon.position */
byte leader;			/* leader.worker_id; 0: the term has expired */
byte expiries;
/* The bus: announcements (from, to, the blocks in between), and the bodies that the follower holds. */
chan bus = [1] of { byte, byte, byte };
byte body[IDS + 1];
byte own;			/* Follower.P */
bool stuck[WRITERS], killed[WRITERS], gone[3];
/* Ghosts */
byte told;			/* the greatest P that anybody was told */
byte greatest;			/* the greatest block */

#define tell(p)		if :: p > told -> told = p :: else fi
#define TAG(w, r)	(1 + w + WRITERS * r)

inline appear(b, who) {		/* a transaction becomes visible */
	assert(b > told);	/* I6 */
	block[b] = who;
	if :: b > greatest -> greatest = b :: else fi
}

inline check(from, to, bits) {	/* are bits all the blocks in (from, to]? */
	i = 1;
	do
	:: i <= IDS ->
		assert(((bits >> i) & 1) == (i > from && i <= to && block[i]));	/* I7 */
		i++
	:: else -> break
	od;
	i = 0
}

/* bits are the blocks in (from, to]. */
inline blocks(from, to, bits) {
	bits = 0;
	i = from + 1;
	do
	:: i <= to -> if :: block[i] -> bits = bits | (1 << i) :: else fi; i++
	:: else -> break
	od;
	i = 0
}

inline least() {		/* the smallest registered key */
	L = NONE; i = 0;
	do
	:: i < WRITERS -> if :: key[i] && key[i] - 1 < L -> L = key[i] - 1 :: else fi; i++
	:: else -> break
	od;
	i = 0
}

#define ON(step)	if :: atomic { life == born -> step } :: atomic { life != born -> goto over } fi	/* or a crash */

proctype Writer(byte me) {
	byte round, born, seen, id;
	do
	:: atomic { round < ROUNDS -> born = life; tag[me] = TAG(me, round); killed[me] = false };
#ifdef COARSE
		atomic {
#endif
#ifndef KEY_LATE
		ON(seen = last);						/* block_begin 1: last_value is read, */
#ifndef NO_KEY
		ON(key[me] = seen + 1);						/* and locked */
#endif
#endif
		if
		:: atomic { life == born && last < IDS -> last++; id = last }	/* nextval */
		:: atomic { life != born || last == IDS -> goto over }
		fi;
#ifdef KEY_LATE			/* registered after the number was drawn */
		ON(key[me] = id);
#endif
#ifdef COARSE
		}
#endif
#ifdef PUBLISH_EARLY		/* the bus has the body before the commit */
		PUBLISH;
#endif
		if
		:: atomic { life == born && !killed[me] -> flushed[me] = id;	/* COMMIT: on disk, the number too */
			if :: durable < id -> durable = id :: else fi }
		:: true -> goto over						/* ERROR, or the backend is ended, or a crash */
#ifdef LIVE
		:: atomic { stuck[me] = true; killed[me]; stuck[me] = false; goto over }
#endif
		fi;
#ifdef RELEASE_EARLY		/* the lock goes before the transaction can be seen */
		atomic { if :: life == born -> key[me] = 0 :: else fi };
#endif
		atomic {
			if :: flushed[me] -> appear(id, tag[me]) :: else fi; flushed[me] = 0;
#ifdef COARSE
			if :: life == born -> key[me] = 0 :: else fi
#endif
		};
#ifndef PUBLISH_EARLY
		PUBLISH;
#endif
over:		atomic {
			if :: life == born -> key[me] = 0 :: else fi;
			seen = 0; id = 0; born = 0; tag[me] = 0; round++ }
	:: atomic { round == ROUNDS -> break }
	od
}

proctype Announcer(byte me) {
	byte p, saved, S, L, to, bits, born, i;
	bool mine;
end:	do
	:: atomic { gone[me] -> break }
#ifndef NO_ELECTION
	:: atomic { leader == 0 && !gone[me] -> leader = me; born = life };	/* begin */
#else
	:: atomic { leader == 0 && me == 1 && !gone[me] -> leader = me; born = life };
#endif
		atomic { p = row; saved = p };					/* open */
		do
#ifdef TWO_SESSIONS		/* each statement on some session of a pool */
#define SAME	true
#else
#define SAME	(life == born)
#endif
		:: atomic { !SAME || gone[me] -> break }
#ifdef COARSE
		:: atomic { SAME && !gone[me] && DUE -> S = last; least();
#elif defined(KEYS_FIRST)
		:: atomic { SAME && !gone[me] -> least() };
		   atomic { if :: SAME -> S = last :: else -> break fi };
		   atomic {
#elif defined(BLOCKS_FIRST)
		:: atomic { SAME && !gone[me] -> to = greatest; blocks(p, to, bits) };
		   atomic { if :: SAME -> S = last :: else -> break fi };
		   atomic { if :: SAME -> least() :: else -> break fi };
		   atomic {
#else
		:: atomic { SAME && !gone[me] -> S = last };			/* selectLast */
		   atomic { if :: SAME -> least() :: else -> break fi };	/* selectInFlight */
		   atomic {							/* selectBlocks, up to min(S, L) */
#endif
			if :: L < S -> S = L :: else fi;
			L = 0;
			if :: !SAME -> break :: else fi;
#ifdef NO_CAP			/* P is min(S, L), committed or not */
			to = S; S = 0;
			blocks(p, to, bits);
#elif defined(BLOCKS_FIRST)
			if :: to > S -> to = p :: else fi; S = 0;
#else
			to = S; S = 0;
			do :: to > p && !block[to] -> to-- :: else -> break od;
			blocks(p, to, bits);
#endif
			if :: to < p -> to = p :: else fi
		   };
		   if
		   :: atomic { to == p ->
#ifdef LIVE
#ifndef NO_KILL
			if :: stuck[0] -> killed[0] = true :: stuck[1] -> killed[1] = true :: else fi	/* terminateStuck */
#endif
#endif
			to = 0; bits = 0 }
		   :: atomic { to != p ->					/* outbox: late, or never */
			check(p, to, bits);
			tell(to); ANNOUNCE;
			p = to; to = 0; bits = 0 }
		   fi
		/* save, at a pace of its own: the row follows P. updateHorizon: its snapshot … */
		:: atomic { p != saved && SAME && !gone[me] ->
#ifdef NO_TERM
			mine = true };
#else
			mine = (leader == me) };
#endif
		   atomic {							/* … and its row, locked and checked again */
			if :: !SAME -> break :: else fi;
			if
#ifdef ROW_BACK
			:: mine ->
#else
			:: mine && row <= p ->
#endif
				assert(p >= row);				/* I6 */
				row = p; saved = p; mine = false
			:: else -> mine = false; break				/* errDeposed */
			fi }
		od;
		atomic {
			if :: leader == me && !gone[me] -> leader = 0 :: else fi;	/* resigned, or expired */
			p = 0; saved = 0; S = 0; L = 0; to = 0; bits = 0; born = 0; mine = false }
	od
}

/* Follower.advance, and what a reader then serves: every block in (own, to], bits being those that it was told of. */
inline advance(to, bits) {
	check(own, to, bits);
	i = 1;
	do
	:: i <= IDS ->
		if
		:: ((bits >> i) & 1) && body[i] ->
			assert(body[i] == block[i])	/* I10 */
#ifdef NO_READ			/* a body that did not come is none */
		:: ((bits >> i) & 1) && !body[i] ->
			assert(false)			/* I7: a block is left out */
#endif
		:: else			/* inbox.lacks: read */
		fi;
		i++
	:: else -> break
	od;
	i = 0; own = to; tell(to)
}

proctype Follower() {
	byte from, to, bits, i;
end:	do
	:: atomic { bus?from, to, bits ->					/* take */
		if
		:: to > own && from <= own ->
#ifndef NO_TRIM
			bits = bits & ~((1 << (own + 1)) - 1);
#endif
			advance(to, bits)
#ifdef NO_GAP_FILL
		:: to > own && from > own -> advance(to, bits)
#else
		:: to > own && from > own -> blocks(own, to, bits); advance(to, bits)
#endif
		:: else
		fi;
		from = 0; to = 0; bits = 0 }
#ifndef NO_POLL
	:: atomic { row > own -> to = row };					/* poll */
	   atomic {
#ifdef POLL_JUMPS		/* P is taken from the row, the blocks until there from nowhere */
		bits = 0;
#else
		blocks(own, to, bits);						/* move */
#endif
		advance(to, bits); to = 0; bits = 0 }
#endif
#ifdef TRUST_BODIES		/* a body counts when it comes */
	:: atomic { own < IDS && body[own + 1] -> own++; tell(own) }
	:: atomic { own + 1 < IDS && body[own + 2] -> own = own + 2; tell(own) }
#endif
	od
}

proctype World() {
	byte i;
end:	do
	:: atomic { life <= CRASHES ->
		life++; i = 0;
		do
		:: i < WRITERS ->
			if :: flushed[i] -> appear(flushed[i], tag[i]); flushed[i] = 0 :: else fi;	/* recovery */
			key[i] = 0; i++
		:: else -> break
		od;
		i = 0;
		if :: last = durable :: true fi;
		if :: row = 0 :: true fi }
	:: atomic { leader && gone[leader] -> leader = 0 }
	:: atomic { leader && expiries < EXPIRIES -> expiries++; leader = 0 }
#ifdef LIVE
	:: atomic { !gone[1] -> gone[1] = true }
#endif
	od
}

#ifdef LIVE
ltl there { <>[] (own == greatest) }
byte tick;
active proctype Clock() { do :: tick = 0 od }	/* time goes on where all stand still */
#endif

init {
	byte i;
	atomic {
		do :: i < WRITERS -> run Writer(i); i++ :: else -> break od;
		i = 0;
		run Announcer(1); run World();
#if defined(FOLLOW) || defined(LIVE)
		run Announcer(2); run Follower()
#endif

	}
}
