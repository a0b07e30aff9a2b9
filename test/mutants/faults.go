package main

// faults are the rules of those who stand between clients, workers and Postgres when one of them is cut off or gone.
var faults = []mutant{
	{
		name: "a connection may lead to any Myelin database",
		file: "pkg/postgres/validate.go",
		old:  "string(row[1]) != databaseID", new: "row[1] == nil",
		pkg: "./pkg/postgres", test: "TestOnlyTheDatabaseThatIsExpectedIsConnectedTo",
	},
	{
		name: "a connection may lead to a standby",
		file: "pkg/postgres/validate.go",
		old:  `string(row[0]) == "t"`, new: "row[0] == nil",
		pkg: "./pkg/postgres", test: "TestOfSeveralHostsThePrimaryIsFound",
	},
	{
		name: "a demoted primary keeps its connections",
		file: "pkg/postgres/validate.go",
		old:  "err.Code != readOnly &&", new: "err.Code != \"\" &&",
		pkg: "./pkg/postgres", test: "TestAServerThatLetsNobodyWriteLosesItsConnections",
	},
	{
		name: "what is sent into a cut network is sent for a quarter of an hour",
		file: "pkg/network/network.go",
		old:  "\t\tControl:         boundSilence,\n", new: "",
		pkg: "./pkg/network", test: "TestConnectionsNoticeThatTheOtherSideHasVanished",
	},
	{
		name: "a request waits for a worker that shows no sign of life",
		file: "pkg/route/pulse.go",
		old:  "\tl.cancel(errSilent)\n", new: "",
		pkg: "./pkg/route", test: "TestASilentConnectionIsGivenUpAndTheRequestSentAgain",
	},
	{
		name: "a pulse counts for nothing",
		file: "pkg/route/pulse.go",
		old:  "\t\t\tl.heard()\n", new: "",
		pkg: "./pkg/route", test: "TestAWorkerThatTakesLongButPulsesIsLeftAlone",
	},
	{
		name: "a worker of the build before must pulse",
		file: "pkg/route/pulse.go",
		old:  "\t\tl.end()\n\t\treturn r, l\n", new: "\t\treturn r, l\n",
		pkg: "./pkg/route", test: "TestAWorkerThatDoesNotPulseIsWaitedFor",
	},
	{
		name: "half an answer is waited for",
		file: "pkg/route/pulse.go",
		old:  "\tb.again()\n", new: "",
		pkg: "./pkg/route", test: "TestAnAnswerThatStopsHalfWayIsAskedForAgain",
	},
	{
		name: "how slowly a client reads counts against the worker",
		file: "pkg/route/pulse.go",
		old:  "\tdefer b.end()\n", new: "",
		pkg: "./pkg/route", test: "TestAClientMayReadAnAnswerSlowly",
	},
	{
		name: "who has answered is taken for silent",
		file: "pkg/route/pulse.go",
		old:  "\tif l.off {\n\t\tl.mu.Unlock()\n\t\treturn\n\t}\n\tl.strikes++", new: "\tl.strikes++",
		pkg: "./pkg/route", test: "TestAnAnswerThatComesAtTheLastMomentIsWaitedForNoLess",
	},
	{
		name: "a request stays with a worker that lives but has lost its shard",
		file: "pkg/route/pending.go",
		old:  "case !w.moved && w.hasMoved():", new: "case false:",
		pkg: "./pkg/route", test: "TestARequestFollowsItsShardFromAWorkerThatLives",
	},
	{
		name: "a move takes its requests away at once",
		file: "pkg/route/pending.go",
		old:  "time.AfterFunc(movedGrace,", new: "time.AfterFunc(0,",
		pkg: "./pkg/route", test: "TestAMoveLeavesTheOldOwnerTimeToAnswer",
	},
	{
		name: "a worker that was killed is not waited for",
		file: "pkg/route/truth.go",
		old:  "return !awaited", new: "return true",
		pkg: "./pkg/route", test: "TestAKilledWorkerIsWaitedFor",
	},
	{
		name: "each request that waits looks at the database for itself",
		file: "pkg/route/truth.go",
		old:  "lookSpacing-time.Since(t.last)", new: "0*lookSpacing-time.Since(t.last)",
		pkg: "./pkg/route", test: "TestManyThatWaitLookTogether",
	},
	{
		name: "any number of requests is parked in all",
		file: "pkg/route/parking.go",
		old:  "p.total.requests >= maxTotal || p.total.bytes+bytes > maxTotalBytes", new: "p.total.requests < 0",
		pkg: "./pkg/route", test: "TestParkingIsBoundedInAll",
	},
	{
		name: "a persister that was drained is missed",
		file: "pkg/lease/bereaved.go",
		old:  "AND died_at >", new: "AND started_at >",
		pkg: "./pkg/lease", test: "TestOnlyTheDeadAreMissed",
	},
	{
		name: "a worker that was declared dead knows what it knew",
		file: "pkg/lease/observe.go",
		old:  "\t_ = m.beatLoop(ctx)\n", new: "\t<-ctx.Done()\n",
		pkg: "./pkg/lease", test: "TestWhoWasDeclaredDeadStillLearnsWhoHasItsShards",
	},
	{
		name: "a dial that hangs is taken for a refusal",
		file: "pkg/route/attempt.go",
		old:  "\t\t\twhy = Silent\n", new: "",
		pkg: "./pkg/route", test: "TestADialThatHangsIsNotOneThatIsRefused",
	},
	{
		name: "a peer that does not answer speaks for the worker it was to dial",
		file: "pkg/app/peer.go",
		old:  "bounded.Err() != nil && ctx.Err() == nil", new: "bounded.Err() != nil",
		pkg: "./pkg/app", test: "TestProbes",
	},
	{
		name: "an announcer announces any Myelin database",
		file: "pkg/horizon/announcer.go",
		old:  "DatabaseID: a.cfg.DatabaseID}", new: "DatabaseID: \"\"}",
		pkg: "./pkg/horizon", test: "TestAnotherDatabaseIsNotAnnounced",
	},
	{
		name: "tokens of a lost history are believed",
		file: "pkg/gateway/tokens.go",
		old:  "\tt.cache.InvalidateAll()\n", new: "",
		pkg: "./pkg/gateway", test: "TestAResetForgetsAllTokens",
	},
	{
		name: "a worker is ready that lost the database long ago",
		file: "pkg/app/probes.go",
		old:  "s > silenceLimit", new: "s < 0",
		pkg: "./pkg/app", test: "TestAWorkerThatLostTheDatabaseForLongIsNotReadyUntilItIsBack",
	},
	{
		name: "a gateway that is cut off from the database asks itself",
		file: "pkg/app/directory.go",
		old:  "silence < cutOff ||", new: "silence > 0 ||",
		pkg: "./pkg/app", test: "TestAWorkerThatIsCutOffFromTheDatabaseAsksOthers",
	},
}
