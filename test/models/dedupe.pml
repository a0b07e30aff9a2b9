/* One request, sent again and again: a client repeats it through two gateways, each sends it to whom it takes for the
   owner, and again after a 421 or a broken connection, while the shard moves and outcomes are unknown.

   In the code: Forwarder.toOwner (pkg/route/forwarder.go); lane.turn, extend, ride, settle, conclude, adopt and the memory
   of pkg/persister (lane.go, settle.go, load.go, dedupe.go); Persister.write (handler.go); sqlDedupe and sqlRepeated
   (statements.go). Scope room: all in one room, whose state refuses the request once it was done (as a leave is), or while
   the room is closed. Scope rooms (ROOMS): createRoom, whose every attempt has another room, so two lanes write at once.
   The fence is fence.pml's: here a block begins if its lease is the row's, and moves and raises wait for it.

   Kept: I4 (one event for the key, whoever writes it), an answer names that event once it is there, and nobody is refused
   what was done.

   Rules that can be removed, each of which must be missed: NO_INDEX KEY_APART NO_LOOKUP EARLY_MEMORY EARLY_RIDER
   GUESS_REPEATED. NO_LOADED_KEYS and NO_MEMORY are not missed: looking into memory, and for keys while
   a room is loaded, only saves the index from being asked. */

#ifdef ROOMS
#define MOVES 0
#define GATEWAYS 2
#define SHARD(g) g
#define TRIES 2			/* of the first gateway; the second has one less */
#else
#define MOVES 1
#define SHARD(g) 0
#define GATEWAYS 1
#define TRIES 3
#endif
#define EVENTS 2		/* built in all */
#define FIRST(g) (1 + g * TRIES)
#define BY(a) ((a - 1) / TRIES)
#define MOVED 254		/* 421 */
#define REFUSED 255

mtype = { committed, lost, repeated, aborted };

byte owner[2], epoch[2];	/* shard_lease */
byte shares[2];
byte key;			/* request_dedupe: the event; 0: none */
bool shut;			/* the room's state, of others' making */
byte stored;			/* events with the key */
mtype outcome[EVENTS + 1];
bool there[EVENTS + 1];		/* event */
byte events, moves, shuts;
chan queue[3] = [2] of { byte };
byte answer[2];			/* what each gateway's present attempt came to */
byte trying[2];			/* attempt */

#define reply(a, what) if :: trying[BY(a)] == a -> answer[BY(a)] = what :: else fi	/* else nobody waits any more */

inline tell(who, what) {
	assert(there[what]);			/* answer */
	reply(who, what)
}

proctype Backend(byte w; byte s; byte e; byte ev) {
	atomic {
		if
		:: owner[s] == w && epoch[s] == e -> shares[s]++
		:: else -> outcome[ev] = lost; goto done
		fi
	}
	if
	:: atomic {
#ifdef NO_INDEX			/* the key is not unique */
		key == key ->
#else
		!key ->
#endif
		stored++;
		assert(stored == 1);			/* I4 */
		there[ev] = true;
#ifdef KEY_APART		/* the key is written after the event's transaction */
		shares[s]-- }; atomic {
		key = ev; outcome[ev] = committed; goto done
#else
		key = ev; outcome[ev] = committed
#endif
	   }
#ifndef NO_INDEX
	:: atomic { key -> outcome[ev] = repeated }
#endif
	:: atomic { true -> outcome[ev] = aborted }
	fi;
	atomic { shares[s]-- };
done:	w = 0
}

/* A refusal, on its handler's goroutine: Verify, then the keys. */
proctype Refusal(byte a; byte w; byte s; byte e) {
	atomic { if :: owner[s] == w && epoch[s] == e :: else -> reply(a, MOVED); goto done fi };
	atomic {
#ifndef NO_LOOKUP
		if
		:: key -> tell(a, key); goto done
		:: else
		fi;
#endif
		assert(!key);				/* refused what was done */
		reply(a, REFUSED) };
done:	a = 0
}

proctype Lane(byte me; byte s) {
	byte held, loaded, mem, a, ev, e;
	bool no;		/* the room as it is remembered refuses the request */
	byte riders;		/* bits of attempts */
end:	do
	/* Leases come and go; see lease.pml. */
	:: atomic { owner[s] == me && held != epoch[s] -> held = epoch[s] }
	:: atomic { held && owner[s] != me -> held = 0 }
	/* Another's event shuts the room, or opens it. */
	:: atomic { owner[s] == me && held == epoch[s] && shares[s] == 0 && shuts < 1 && loaded == held ->
		shuts++; shut = !shut; no = shut || stored }
	:: atomic { mem -> mem = 0 }		/* the memory is bounded */
	:: queue[me]?a;
turn:	   if
	   :: atomic { trying[BY(a)] != a -> a = 0 }	/* its client has gone, and that was noticed */
	   :: atomic { !held -> reply(a, MOVED); a = 0 }
	   :: atomic { held && mem -> tell(a, mem); a = 0 }
	   :: atomic { held && !mem && loaded != held -> loaded = held; no = shut || (stored && key)
#ifndef NO_LOADED_KEYS
		; mem = key
#endif
		}; goto turn
	   :: atomic { held && !mem && loaded == held && no -> run Refusal(a, me, s, held); a = 0 }
	   :: atomic { held && !mem && loaded == held && !no && events < EVENTS ->
		events++; ev = events; e = held; run Backend(me, s, held, ev)
#ifdef EARLY_MEMORY		/* an event is remembered when it is built */
		; mem = ev
#endif
		};
		goto wait
	   :: atomic { held && !mem && loaded == held && !no && events == EVENTS -> reply(a, MOVED); a = 0 }
	   fi;
	   if
	   :: atomic { !a && riders -> a = 1; do :: (riders >> a) & 1 -> break :: else -> a++ od;
		riders = riders & ~(1 << a) }; goto turn	/* riders of a block that failed, and later writes */
	   :: !a && !riders
	   fi;
	   goto end;
wait:	   if
	   :: atomic { queue[me]?e ->			/* the key is in flight: ride */
#ifdef EARLY_RIDER
		tell(e, ev);
#else
		riders = riders | (1 << e);
#endif
		e = 0 }; goto wait
	   :: atomic { outcome[ev] == committed ->
wrote:		mem = ev; no = true; tell(a, ev);
		a = 1; do :: a <= 2 * TRIES -> if :: (riders >> a) & 1 -> tell(a, ev) :: else fi; a++ :: else -> break od;
#ifdef NO_MEMORY
		mem = 0;
#endif
		a = 0; ev = 0; e = 0; riders = 0 }
	   :: atomic { outcome[ev] == lost -> ev = 0; e = 0; held = 0; loaded = 0; no = false }; goto turn	/* settle.lose */
	   :: atomic { outcome[ev] == repeated ->
#ifdef GUESS_REPEATED		/* whoever wrote the key, wrote this event */
		mem = ev;
#else
		mem = key;
#endif
		ev = 0; e = 0; loaded = 0; no = false }; goto turn
	   :: atomic { outcome[ev] == aborted -> ev = 0; e = 0; loaded = 0; no = false }; goto turn
	   :: atomic { shares[s] == 0 && outcome[ev] != committed ->	/* unknown: raise, */
		if :: owner[s] == me && epoch[s] == held -> epoch[s]++; held = epoch[s] :: else -> held = 0 fi };
	      atomic {					/* look */
		if
		:: there[ev] -> goto wrote
		:: else -> ev = 0; e = 0; loaded = 0; no = false
		fi }; goto turn
	   fi
	od
}

proctype Gateway(byte g) {
	byte a, w;
	a = FIRST(g);
	do
	:: atomic { a < FIRST(g) + TRIES - g ->
		trying[g] = a; answer[g] = 0;
#ifdef ROOMS
		w = g + 1;
#else
		if :: w = 1 :: w = 2 fi;
#endif
		if :: nfull(queue[w]) -> queue[w]!a :: full(queue[w]) -> answer[g] = MOVED fi };
	   if
	   :: atomic { answer[g] && answer[g] != MOVED -> break }
	   :: atomic { answer[g] == MOVED -> a++ }
	   :: atomic { a++; trying[g] = 0 }		/* the connection broke, or it gave up */
	   fi
	:: atomic { a == FIRST(g) + TRIES - g -> break }
	od;
	atomic { trying[g] = 0; a = 0; w = 0 }
}

proctype Moves() {
end:	do
	:: atomic { moves < MOVES && shares[0] == 0 -> moves++; owner[0] = 3 - owner[0]; epoch[0]++ }
	od
}

init {
	atomic {
		owner[0] = 1; owner[1] = 2; epoch[0] = 1; epoch[1] = 1;
		run Lane(1, 0); run Lane(2, SHARD(1)); run Gateway(0); run Moves();
		if :: GATEWAYS == 2 -> run Gateway(1) :: else fi
	}
}
