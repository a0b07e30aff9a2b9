package main

const (
	deathFile   = "pkg/lease/deathrows.go"
	barrierFile = "pkg/lease/barrierrows.go"
)

// leases are the rules of who may be declared dead, of what a failover of the database
// takes, and of the map from rooms to shards.
var leases = []mutant{
	{
		name: "the balancer gives to cordoned workers",
		file: "pkg/lease/table.go",
		old:  "case w.Cordoned:\n", new: "case false:\n",
		pkg: "./pkg/lease", test: "TestACordonedWorkerKeepsItsShardsAndGetsNoOthers",
	},
	{
		name: "the balancer counts what cordoned workers have",
		file: "pkg/lease/balancer.go",
		old:  "plan(t.movable(),", new: "plan(t.Leases(),",
		pkg: "./pkg/lease", test: "TestACordonedWorkerKeepsItsShardsAndGetsNoOthers",
	},
	{
		name: "a takeover gives to cordoned workers",
		file: "pkg/lease/leaserows.go",
		old:  "WHERE NOT cordoned OR all_cordoned ORDER", new: "WHERE true ORDER",
		pkg: "./pkg/lease", test: "TestACordonedWorkerKeepsItsShardsAndGetsNoOthers",
	},
	{
		name: "shards stay nobody's rather than a cordoned worker's",
		file: "pkg/lease/leaserows.go",
		old:  "WHERE NOT cordoned OR all_cordoned ORDER", new: "WHERE NOT cordoned ORDER",
		pkg: "./pkg/lease", test: "TestCordonedWorkersServeWhereNobodyElseIs",
	},
	{
		name: "a worker that has not heard of a cordon moves shards into it",
		file: "pkg/lease/leaserows.go",
		old:  "WHERE w.worker_id = u.dest AND w.cordoned)", new: "WHERE false)",
		pkg: "./pkg/lease", test: "TestNothingIsMovedToACordonedWorker",
	},
	{
		name: "a move is made again when the balancer has undone it",
		file: "pkg/lease/move.go",
		old:  "aimedAt > 0 && l.Epoch > aimedAt+1 {", new: "false {",
		pkg: "./pkg/lease", test: "TestAMoveIsNotInsistedOn",
	},
	{
		name: "any number of workers may be declared dead for their silence",
		file: deathFile,
		old:  "if died > 0 && 3*(died+1) >= all {", new: "if died > all {",
		pkg: "./pkg/lease", test: "TestStormGuard",
	},
	{
		name: "deaths are counted without a lock",
		file: deathFile,
		old:  "`SELECT pg_advisory_xact_lock($1)`", new: "`SELECT $1::bigint`",
		pkg: "./pkg/lease", test: "TestStormGuardCountsOneAfterTheOther",
	},
	{
		name: "a worker whose lane hangs goes on",
		file: "pkg/lease/stuck.go",
		old:  "if stalled >= m.timing.stuck && m.surrender", new: "if false && m.surrender",
		pkg: "./pkg/lease", test: "TestAWorkerThatIsStuckGivesUp",
	},
	{
		name: "workers are judged by a clock that has just leapt",
		file: "pkg/lease/heartbeat.go",
		old:  "leapt := m.lastRead.leapt(shown)", new: "leapt := false",
		pkg: "./pkg/lease", test: "TestNobodyIsJudgedByAClockThatHasJustLeapt",
	},
	{
		name: "a worker gives up because the database was away",
		file: "pkg/lease/stuck.go",
		old:  "max(m.steady.Load(), m.raised.Load())", new: "m.raised.Load()",
		pkg: "./pkg/lease", test: "TestOnlyTimeInWhichTheHeartBeatsCounts",
	},
	{
		name: "a holder that does not answer goes on",
		file: "pkg/lease/stuck.go",
		old:  "stalled = m.since(asked)", new: "",
		pkg: "./pkg/lease", test: "TestAWorkerThatIsStuckGivesUp",
	},
	{
		name: "a worker gives up because the server is slow",
		file: deathFile,
		old:  "AND a.state = 'active' AND", new: "AND false AND",
		pkg: "./pkg/lease", test: "TestWhoWaitsForTheServerIsNotStuck",
	},
	{
		name: "writes do not wait for the barrier",
		file: schemaFile,
		old:  "IF NOT n.same THEN", new: "IF false THEN",
		pkg: "./pkg/lease", test: "TestWritesWaitForTheBarrier",
	},
	{
		name: "a block does not compare the generation",
		file: schemaFile,
		old:  "IF n.generation <> gen THEN", new: "IF false THEN",
		pkg: "./pkg/lease", test: "TestAPromotedStandbyThatLagged",
	},
	{
		name: "the barrier leaves epochs as they are",
		file: barrierFile,
		old:  "owner = NULL, epoch = epoch + $1,", new: "owner = NULL, epoch = epoch + $1 * 0,",
		pkg: "./pkg/lease", test: "TestAPromotedStandbyThatLagged",
	},
	{
		name: "the barrier leaves the sequence of blocks as it is",
		file: barrierFile,
		old:  "blockLeap  = 1 << 24", new: "blockLeap  = 0",
		pkg: "./pkg/lease", test: "TestAPromotedStandbyThatLagged",
	},
	{
		name: "the barrier lets worker ids be used again",
		file: barrierFile,
		old:  "numberLeap = 1 << 20", new: "numberLeap = 0",
		pkg: "./pkg/lease", test: "TestAPromotedStandbyThatLagged",
	},
	{
		name: "every worker commits a barrier",
		file: barrierFile,
		old:  "if !began {", new: "if began = true; !began {",
		pkg: "./pkg/lease", test: "TestABarrierThatSomebodyElseBegan",
	},
	{
		name: "a barrier looks at no database id",
		file: barrierFile,
		old:  "} else if err != nil {\n\t\t\treturn err\n\t\t}\n\t\tif !began", new: "}\n\t\tif !began",
		pkg: "./pkg/lease", test: "TestABarrierIsNeverForAnotherDatabase",
	},
	{
		name: "numbers leap once, however many generations are gone",
		file: barrierFile,
		old:  "1+max(0, had.generation-now.generation)", new: "1",
		pkg: "./pkg/lease", test: "TestABackupFromBeforeABarrier",
	},
	{
		name: "what was remembered is forgotten before the shards are let go",
		file: "pkg/lease/generation.go",
		old:  "if !m.isBusy(shard) { // else", new: "if false && !m.isBusy(shard) { // else",
		pkg: "./pkg/lease", test: "TestAPromotedStandbyThatLagged",
	},
	{
		name: "a generation is known by its number alone",
		file: "pkg/lease/generation.go",
		old:  "case now.generation == had.generation && (", new: "case false && (",
		pkg: "./pkg/lease", test: "TestWhatFollowsWhatIsRemembered",
	},
	{
		name: "an epoch that was raised on a former primary settles writes",
		file: "pkg/lease/raise.go",
		old:  "case now.generation < m.Generation(): //", new: "case false: //",
		pkg: "./pkg/lease", test: "TestRaiseDoesNotBelieveAFormerPrimary",
	},
	{
		name: "what was remembered survives a barrier",
		file: "pkg/lease/generation.go",
		old:  "\tfor _, f := range m.resets {", new: "\tfor _, f := range m.resets[:0] {",
		pkg: "./pkg/lease", test: "TestAPromotedStandbyThatLagged",
	},
	{
		name: "a backup is not told by an epoch that shrank",
		file: "pkg/lease/heartbeat.go",
		old:  "if found && err == nil", new: "if found = false; found && err == nil",
		pkg: "./pkg/lease", test: "TestARestoredBackupIsToldByMemory",
	},
	{
		name: "what a crash of the server lost is taken for known",
		file: "pkg/lease/heartbeat.go",
		old:  "\t\tm.digests = digests{} //", new: "\t\t//",
		pkg: "./pkg/lease", test: "TestACrashedServerThatComesBackNeedsNoBarrier",
	},
	{
		name: "a shard is owned though the table knows better",
		file: "pkg/lease/manager.go",
		old:  "ok && m.table.Load().leases[shard].Epoch <= epoch && m", new: "ok && m",
		pkg: "./pkg/lease", test: "TestWhatTheTableSaysIsAnothersIsNotOwned",
	},
	{
		name: "an expired heartbeat is seen up to a heartbeat later",
		file: "pkg/lease/steer.go",
		old:  "if missed := m.missed.Load(); missed != 0 {", new: "if missed := m.missed.Load(); false {",
		pkg: "./pkg/lease", test: "TestAnExpiryIsNotWaitedForUntilTheNextBeat",
	},
	{
		name: "the map of rooms changes without new epochs",
		file: "pkg/lease/maprows.go",
		old:  "SET epoch = s.epoch + 1 FROM l", new: "SET epoch = s.epoch FROM l",
		pkg: "./pkg/lease", test: "TestNoBlockCommitsByAnOlderMap",
	},
	{
		name: "an owner claims without looking at the map of rooms",
		file: "pkg/lease/steer.go",
		old:  "err = m.remap(tctx, now)", new: "err = nil",
		pkg: "./pkg/lease", test: "TestTheMapIsAsNewAsTheEpoch",
	},
	{
		name: "an owner raises an epoch without looking at the map of rooms",
		file: "pkg/lease/raise.go",
		old:  "err = m.remap(tctx, now)", new: "err = m.remap(tctx, life{generation: now.generation})",
		pkg: "./pkg/lease", test: "TestTheMapIsAsNewAsTheEpoch",
	},
	{
		name: "heartbeats bring epochs without the map of rooms",
		file: "pkg/lease/heartbeat.go",
		old:  "if rooms.version != a.life.mapVersion ||", new: "if",
		pkg: "./pkg/lease", test: "TestRoomsAndSlotsMoveBetweenShards",
	},
	{
		name: "who is refused by all takes another for dead",
		file: "pkg/lease/takeover.go",
		old:  "if !answered {", new: "if false {",
		pkg: "./pkg/lease", test: "TestWhoIsRefusedByAllDeclaresNobodyDead",
	},
	{
		name: "who reaches nobody takes another for unreachable",
		file: "pkg/lease/takeover.go",
		old:  "witnesses >= min(2, len(seconds)+1)", new: "witnesses >= 1",
		pkg: "./pkg/lease", test: "TestWhoIsReachedByAnybodyIsNotMute",
	},
	{
		name: "the only persister may be taken for unreachable",
		file: deathFile,
		old:  "WHERE p.worker_id <> w.worker_id AND p.state", new: "WHERE p.state",
		pkg: "./pkg/lease", test: "TestUnreachableIsOnlyWhoseShardsAnotherCanServe",
	},
	{
		name: "own leases last from when the heartbeat was answered",
		file: "pkg/lease/heartbeat.go",
		old:  "m.fence.Store(sent + int64(m.timing.fence))", new: "m.fence.Store(m.elapsed() + int64(m.timing.fence))",
		pkg: "./pkg/lease", test: "TestOwnLeasesLastTwoAndAHalfSecondsFromWhenTheHeartbeatWasSent",
	},
	{
		name: "who paused judges others at once",
		file: "pkg/lease/heartbeat.go",
		old:  "m.steady.Store(sent)", new: "_ = last",
		pkg: "./pkg/lease", test: "TestOnlyWhoseHeartbeatsAreOnTimeJudges",
	},
	{
		name: "a worker gives up while a raise of its own waits for rows that somebody else has locked",
		file: "pkg/lease/stuck.go",
		old:  "if m.raising.Load() > 0 {", new: "if false {",
		pkg: "./pkg/lease", test: "TestWhoWaitsForRowsThatOthersLockIsNotStuck",
	},
	{
		name: "a worker does not give up while its lanes raise and raise",
		file: "pkg/lease/raise.go",
		old:  "m.since(began) >= m.timing.stuck/16", new: "m.since(began) >= 0",
		pkg: "./pkg/lease", test: "TestARaiseThatDoesNotWaitExcusesNothing",
	},
	{
		name: "a worker gives up for the time in which a raise of its own has waited",
		file: "pkg/lease/stuck.go",
		old:  "max(m.steady.Load(), m.raised.Load())", new: "m.steady.Load()",
		pkg: "./pkg/lease", test: "TestWhoWaitsForRowsThatOthersLockIsNotStuck",
	},
}
