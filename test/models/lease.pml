/* Who serves a shard: handoff, takeover, adoption, drain. One shard, three workers; the third joins late and never fails,
   the second may not be there at all, and those that are do as they like within FAULTS and DRAINS. One block at a time stands for
   the lane: what happens to blocks of unknown outcome is fence.pml's.

   In the code: pkg/lease (leaserows.go, handoff.go, steer.go, takeover.go, drain.go) and Quiesce, Granted, Lost of
   pkg/persister/order.go. What a worker knows of others' rows is as of now, because every statement checks it again.

   Kept: a worker is granted the shard at an epoch that no other holds; no planned move refuses a block (I9); and blocks
   commit again and again, whatever happened (I8 without its seconds), which is the claim served below.

   Rules that can be removed, each of which must be missed: CLAIM_EARLY NO_QUIESCE NO_RAISE KEEP_EPOCH; with PROGRESS:
   NO_RESUME NO_TAKEOVER NO_TERMINATE NO_ADOPT_NOBODY NO_ADOPT_SLEEPER. */

#define N 3
#define FAULTS 1	/* workers that die, are shot by mistake, or fall asleep */
#define DRAINS 1	/* workers that are told to leave */
#define AIMS 1		/* moves that the balancer, or somebody by hand, begins */
#ifdef PROGRESS
#define MORE	(faults + drains == 0)	/* one of them: more would take minutes */
#else
#define MORE	true
#endif
#define LIVE 1
#define LEAVING 2
#define DEAD 3

#ifdef CLAIM_EARLY	/* the target claims before the owner has written it as the new one */
#define MINE(w)		(owner == w || target == w)
#else
#define MINE(w)		(owner == w)
#endif
#ifdef NO_QUIESCE	/* the row is written while blocks are still sent */
#define QUIET(w)	true
#define STOP(w)		skip
#else
#define QUIET(w)	(!sent[w])
#define STOP(w)		quiesced[w] = true
#endif
#ifdef NO_RESUME	/* a handoff that came to nothing leaves the shard quiesced */
#define RESUME(w)	skip
#else
#define RESUME(w)	quiesced[w] = false
#endif
#ifdef KEEP_EPOCH	/* a takeover changes the owner, not the epoch */
#define TAKEN		epoch
#else
#define TAKEN		epoch + 1
#endif
#ifdef NO_TERMINATE	/* a takeover leaves the dead worker's backends alone */
#define TERMINATE(v)	skip
#else
#define TERMINATE(v)	if :: block == v -> block = 0 :: else fi
#endif
#ifdef NO_ADOPT_NOBODY	/* nobody looks after shards without an owner */
#define NOBODYS		false
#else
#define NOBODYS		(owner == 0)
#endif
#ifdef NO_ADOPT_SLEEPER	/* an owner that does not claim keeps the shard */
#define UNCLAIMED	false
#else
#define UNCLAIMED	(owner != 0 && !claimed && asleep[owner])
#endif

/* shard_lease and worker */
byte owner = 1, epoch = 1, target;
bool claimed = true;
byte state[N + 1];
/* the processes */
bool down[N + 1];	/* killed */
bool asleep[N + 1];	/* heartbeats, but does nothing else: unclaimed for longer than timing.unclaimed */
bool expired[N + 1];	/* heartbeat late: seems dead, and may live */
byte held[N + 1];	/* Manager.held */
bool quiesced[N + 1];	/* lane.parked */
bool sent[N + 1];	/* its lane waits for a block */
byte block;		/* whose transaction holds the row FOR SHARE */
byte queue;		/* statements that wait for the row FOR UPDATE: blocks queue behind them */
byte faults, drains, aims;
bool late;		/* a transfer has been lost on its way */
/* ghosts */
byte unplanned;		/* epoch of the newest move that nobody planned */
bool beat;		/* changes with every commit */

#define SUSPECT(w)	(state[w] != DEAD && (down[w] || expired[w]))
#define FIT(w)		(state[w] == LIVE && !expired[w])

#ifdef PROGRESS
ltl served { ([]<> beat) && ([]<> !beat) }
byte tick;
active proctype Clock() { do :: tick = 0 od }	/* time goes on where all stand still */
#endif

proctype Lane(byte me) {
	byte e, refused;
end:	do
	:: down[me] -> break	/* what it sent stands in the server until somebody ends it */
	:: atomic { held[me] > refused && !quiesced[me] && !down[me] -> sent[me] = true; e = held[me] };
	   if
	   :: atomic { queue == 0 && block == 0 && owner == me && epoch == e -> block = me };
	      if
	      :: atomic { block == me && !down[me] -> block = 0; beat = !beat }
	      :: block != me	/* the backend was ended */
	      :: down[me] -> break
	      fi
	   :: atomic { queue == 0 && block == 0 && !(owner == me && epoch == e) ->	/* MX001 */
		assert(unplanned > e);		/* I9 */
		refused = e }			/* write.lostAt: not again under this epoch */
	   :: down[me] -> break
	   fi;
	   atomic { sent[me] = false; e = 0 }
	od
}

/* rows.transfer: by compare-and-set, to a persister that lives, or to nobody. */
inline transfer(w, e, to, moved) {
	if
	:: owner == w && epoch == e && (to == 0 || FIT(to)) ->
		owner = to; epoch++; claimed = false; target = 0; moved = true
	:: else -> moved = false
	fi
}

/* A transfer whose sender has given up, and that may come later, or never. */
proctype LateTransfer(byte w; byte e; byte to) {
	bool moved;
	if
	:: atomic { block == 0 -> transfer(w, e, to, moved) }
	:: true
	fi;
	atomic { w = 0; e = 0; to = 0; moved = 0 }
}

/* place: any fit persister, not the one who failed the shard. (In the code that one, where there is no other: then
   nothing changes but the epoch.) */
inline place(not, to) {
	if
	:: not != 1 && FIT(1) -> to = 1
	:: not != 2 && FIT(2) -> to = 2
	:: not != 3 && FIT(3) -> to = 3
	:: else -> to = 0
	fi
}

proctype Steer(byte me) {
	byte e, to, v;
	bool moved;
end0:	(state[me]);	/* has joined */
end:	do
	:: atomic { down[me] || state[me] == DEAD -> held[me] = 0; quiesced[me] = false; break }	/* ErrDeclaredDead */

	/* settle */
	:: atomic { state[me] == LIVE && !asleep[me] && MINE(me) && block == 0 && (held[me] != epoch || !claimed) ->
		claimed = true; e = epoch };
	   atomic {
		assert((me == 1 || held[1] != e) && (me == 2 || held[2] != e) && (me == 3 || held[3] != e));	/* one holder an epoch, I2 */
		held[me] = e; e = 0 }
	:: atomic { !asleep[me] && held[me] && !MINE(me) -> held[me] = 0 }

	/* give: Quiesce, transfer, Lost; see Manager.handoff */
	:: atomic { !asleep[me] && owner == me && (state[me] == LEAVING || target != 0) && !down[me] &&
	      (held[me] == epoch || (held[me] == 0 && state[me] == LEAVING)) ->
		e = epoch; to = target;
		if :: to == 0 || !FIT(to) || to == me -> to = 0 :: else fi;
		if :: state[me] == LEAVING && to == 0 -> place(me, to) :: else fi };
	   if
	   :: to == 0 && state[me] == LIVE -> atomic { if :: owner == me -> target = 0 :: else fi }	/* unaim */
	   :: else ->
		STOP(me);
		QUIET(me);
		queue++;
		if
		:: atomic { block == 0 -> queue--; transfer(me, e, to, moved) };
		   if
		   :: atomic { moved -> held[me] = 0; quiesced[me] = false }		/* Lost */
		   :: atomic { !moved && owner == me && epoch == e ->			/* afterRefused: still ours */
			if :: target == to -> target = 0 :: else fi; RESUME(me) }
		   :: atomic { !moved && !(owner == me && epoch == e) -> held[me] = 0; quiesced[me] = false }
		   fi
		:: atomic { !late -> late = true; queue--; run LateTransfer(me, e, to) };	/* the answer is lost */
#ifdef NO_RAISE		/* serving goes on while the transfer may still come */
		   atomic { RESUME(me) }
#else
		   queue++;							/* afterUnknown */
		   atomic { block == 0 -> queue--;
			if
			:: owner == me && (epoch == e || (claimed && epoch > e)) -> epoch++;
				if :: held[me] -> held[me] = epoch :: else fi; RESUME(me)
			:: else -> held[me] = 0; quiesced[me] = false
			fi }
#endif
		fi
	   fi;
	   atomic { e = 0; to = 0; moved = false }

	/* adopt: SKIP LOCKED, so never past a block */
	:: atomic { state[me] && state[me] != DEAD && !asleep[me] && !down[me] && block == 0 &&
	      (NOBODYS || UNCLAIMED) ->
		place(owner, to);
		if :: to -> owner = to; epoch++; claimed = false; target = 0; unplanned = epoch; to = 0 :: else fi }

#ifndef NO_TAKEOVER
	/* takeOver, one transaction: dead, end its backends, wait for the row, give it to others */
	:: atomic { state[me] && state[me] != DEAD && !asleep[me] && !down[me] && !expired[me] &&
	      ((me != 1 && SUSPECT(1)) || (me != 2 && SUSPECT(2))) ->
		if :: me != 1 && SUSPECT(1) -> v = 1 :: me != 2 && SUSPECT(2) -> v = 2 fi;
		state[v] = DEAD; TERMINATE(v);
		queue++ };
	   atomic { owner != v || block == 0 -> queue--;	/* what it owns: other rows are not waited for */
		if
		:: owner == v -> place(v, to); owner = to; epoch = TAKEN; claimed = false; target = 0; unplanned = epoch
		:: else
		fi;
		v = 0; to = 0 }
#endif

	/* quit */
	:: atomic { state[me] == LEAVING && owner != me && held[me] == 0 -> state[me] = DEAD }
	od
}

/* What happens to the workers, and what the balancer wants. */
proctype World() {
	byte v;
	do
	:: atomic { faults < FAULTS && MORE ->
		faults++;
		if :: v = 1 :: state[2] -> v = 2 fi;
		if
		:: down[v] = true				/* SIGKILL */
		:: expired[v] = true				/* SIGSTOP past the time to live, then SIGCONT */
		:: asleep[v] = true
		fi }
	:: atomic { drains < DRAINS && MORE ->
		drains++;
		if :: v = 1 :: state[2] -> v = 2 fi;
		if :: state[v] == LIVE -> state[v] = LEAVING :: else fi }
	:: aims < AIMS -> atomic { aims++; if :: owner -> if :: target = 1 :: target = 2 :: target = 3 fi :: else fi }
	:: break
	od;
	state[3] = LIVE;	/* a worker joins */
	v = 0
}

init {
	atomic {
		state[1] = LIVE; held[1] = 1;
		if :: state[2] = LIVE :: true fi;	/* or the first is alone */
		run Lane(1); run Lane(2); run Lane(3); run Steer(1); run Steer(2); run Steer(3); run World()
	}
}
