/* Which shard a room belongs to, while rooms and slots move between shards: one room, three shards, two of them one
   worker's, and two changes of the map at once.

   In the code: rows.reassign and readRoomMap of pkg/lease/maprows.go; the order of map and epoch in Manager.beat,
   Manager.raise (remap) and settle's claim; lane.turn of pkg/persister, which reads OwnLease first and ShardOf after it;
   block_begin (pkg/schema/migrations). The rows' own transitions are fence.pml's: here a shard keeps its owner.

   Kept: I1 with the map (a block commits under the shard that is the room's at its commit), and I5 (what it was built on
   is the room's newest event).

   Rules that can be removed, each of which must be missed: MAP_FIRST RAISE_KEEPS_MAP KEEP_FROM MAP_APART NO_WAIT NO_ORDER
   SHARD_FIRST STALE_ROOM. KEEP_TO is not missed: that the shard that gets the room is raised too only brings its owner
   the news sooner. */

#define BLOCKS 2
#define SHARDS 3
#if defined(BACK)		/* there and back again, and turns that write nothing */
#define RAISES 0
#define CHANGES	run Reassign(2, 0)
#define READS	true
#elif defined(RAISE)		/* one change, and a raise */
#define RAISES 1
#define CHANGES	run Reassign(1, NOWHERE)
#define READS	true
#else				/* two changes at once */
#define RAISES 0
#define CHANGES	run Reassign(1, NOWHERE); run Reassign(2, NOWHERE)
#define READS	(blocks == BLOCKS)
#endif
#define OWNER(s) (s == 2 -> 2 : 1)
#define NOWHERE 9
#ifdef NO_WAIT			/* reassign does not wait for blocks in flight */
#define FREE(s) true
#else
#define FREE(s) (shares[s] == 0)
#endif

byte epoch[SHARDS];
byte shares[SHARDS];		/* blocks in flight that hold the row */
bool over[SHARDS];		/* the shard's block has come to its end */
byte map;			/* room_shard, slot_shard: the room's shard */
bool cluster;			/* cluster_state is locked */
byte head;			/* the room's newest event */
byte blocks, raises;
byte held[SHARDS];		/* Manager.held of the shard's owner */
byte known[3];			/* the map, as each worker has it */

proctype Backend(byte s; byte e; byte base) {
	atomic { if :: epoch[s] == e -> shares[s]++ :: else -> goto done fi };
	if
	:: atomic {
		assert(map == s);			/* I1 with the map */
		assert(base == head);			/* I5 */
		head++; shares[s]-- }
	:: atomic { shares[s]-- }
	fi;
done:	atomic { over[s] = true; s = 0; e = 0; base = 0 }
}

#define BEHIND(s) (OWNER(s) == me && held[s] != epoch[s])

/* The lease manager: an epoch is held once a map has been read that is no older. */
proctype Manager(byte me) {
	byte s, e, m;
end:	do
	/* settle's claim, and the heartbeat. */
	:: atomic { BEHIND(0) || BEHIND(1) || BEHIND(2) ->
		if :: BEHIND(0) -> s = 0 :: BEHIND(1) -> s = 1 :: BEHIND(2) -> s = 2 fi;
#ifdef MAP_FIRST		/* the map is read before the epoch */
		m = map };
	   atomic { e = epoch[s]; known[me] = m };
#else
		e = epoch[s] };
	   atomic { known[me] = map };
#endif
	   atomic { held[s] = e; e = 0; s = 0; m = 0 }
	/* raise, of what a lane sent, whoever raised the row in between. */
	:: atomic { raises < RAISES && (BEHIND(0) || BEHIND(1) || BEHIND(2)) ->
		if :: BEHIND(0) -> s = 0 :: BEHIND(1) -> s = 1 :: BEHIND(2) -> s = 2 fi;
		if :: held[s] && FREE(s) -> raises++; epoch[s]++; e = epoch[s] :: else -> s = 0; goto end fi };
#ifndef RAISE_KEEPS_MAP
	   atomic { known[me] = map };
#endif
	   atomic { held[s] = e; e = 0; s = 0 }
	/* A heartbeat with a newer map, and no newer epoch. */
	:: atomic { known[me] != map -> known[me] = map }
	od
}

/* The lanes of a worker's shards. */
proctype Lane(byte me) {
	byte s, e, base;
	byte under = NOWHERE, loaded;	/* the room in memory: its shard and epoch */
	do
	:: atomic { blocks < BLOCKS && OWNER(known[me]) == me -> s = known[me] };	/* Persister.write */
#ifdef SHARD_FIRST		/* turn: nobody asks for the shard again when the epoch is known */
	   e = held[s];
	   if
	   :: e
	   :: atomic { !e -> s = 0; goto next }
	   fi;
#else
	   e = held[s];							/* turn: OwnLease, */
	   if
	   :: e && known[me] == s					/* then ShardOf */
	   :: atomic { !e || known[me] != s -> s = 0; e = 0; goto next }	/* 421 */
	   fi;
#endif
	   if
#ifdef STALE_ROOM		/* what is in memory counts whatever it was loaded under */
	   :: under != NOWHERE
	   :: under == NOWHERE ->
#else
	   :: under == s && loaded == e
	   :: under != s || loaded != e ->
#endif
		atomic { under = s; loaded = e }; base = head
	   fi;
	   atomic {
		if
		:: blocks < BLOCKS -> blocks++; run Backend(s, e, base); base++
		:: READS -> over[s] = true	/* a refusal, or nothing to do */
		fi };
	   atomic { over[s] -> over[s] = false;	/* its outcome is known */
		if :: base != head -> under = NOWHERE; loaded = 0; base = 0 :: else fi;
		s = 0; e = 0 }
next:	   skip
	:: atomic { blocks == BLOCKS -> under = 0; loaded = 0; base = 0; break }
	od
}

/* reassign: one transaction. */
proctype Reassign(byte to; byte then) {
	byte from;
again:
#ifndef NO_ORDER		/* changes of the map do not wait for each other */
	atomic { !cluster -> cluster = true };
#endif
	from = map;					/* concerned */
	if
	:: atomic { from == to }
	:: atomic { from != to && FREE(from) && FREE(to) ->
#ifndef KEEP_FROM
		epoch[from]++;
#endif
#ifndef KEEP_TO
		epoch[to]++;
#endif
#ifdef MAP_APART		/* the map changes after the epochs, in another transaction */
		}; atomic {
#endif
		map = to }
	fi;
	atomic {
		cluster = false; from = 0;
		if :: then != NOWHERE -> to = then; then = NOWHERE; goto again :: else -> to = 0; then = 0 fi }
}

init {
	atomic {
		epoch[0] = 1; epoch[1] = 1; epoch[2] = 1;
		run Manager(1); run Manager(2); run Lane(1); run Lane(2); CHANGES
	}
}
