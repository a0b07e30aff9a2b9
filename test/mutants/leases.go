package main

const deathFile = "pkg/lease/deathrows.go"

// leases are the rules of who may be declared dead.
var leases = []mutant{
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
		name: "a holder that does not answer goes on",
		file: "pkg/lease/stuck.go",
		old:  "stalled = time.Since(asked)", new: "",
		pkg: "./pkg/lease", test: "TestAWorkerThatIsStuckGivesUp",
	},
	{
		name: "a worker gives up because the server is slow",
		file: deathFile,
		old:  "AND a.state = 'active' AND", new: "AND false AND",
		pkg: "./pkg/lease", test: "TestWhoWaitsForTheServerIsNotStuck",
	},
}
