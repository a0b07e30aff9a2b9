package main

// lagRules are the holds of what an autoscaler is told.
var lagRules = []mutant{
	{
		name: "a worker that tells no lag has none",
		file: "pkg/lag/pool.go",
		old:  "if !known {", new: "if false && !known {",
		pkg: "./pkg/lag", test: "TestWhatIsNotKnownIsNeverZero",
	},
	{
		name: "an overdue heartbeat's lag counts",
		file: "pkg/lag/pool.go",
		old:  "if w.Overdue {", new: "if false {",
		pkg: "./pkg/lag", test: "TestWhatIsNotKnownIsNeverZero",
	},
	{
		name: "a pool without workers has no lag",
		file: "pkg/lag/pool.go",
		old:  "return 0, Unknown(\"the pool has no worker\")", new: "return 0, nil",
		pkg: "./pkg/lag", test: "TestWhatIsNotKnownIsNeverZero",
	},
	{
		name: "a pool is scaled while it is resized",
		file: "pkg/lag/pool.go",
		old:  "if p.unsettled() {", new: "if false && p.unsettled() {",
		pkg: "./pkg/lag", test: "TestTheSignalOfAPool",
	},
	{
		name: "a pool grows while workers are missing",
		file: "pkg/lag/pool.go",
		old:  "if len(p.Workers) < p.Wanted {", new: "if false {",
		pkg: "./pkg/lag", test: "TestTheSignalOfAPool",
	},
	{
		name: "a pool of persisters shrinks while a shard moves",
		file: "pkg/lag/pool.go",
		old:  "if p.Moving && ", new: "if false && ",
		pkg: "./pkg/lag", test: "TestTheSignalOfAPool",
	},
	{
		name: "a shard that nobody serves is none that moves",
		file: "pkg/admin/lag.go",
		old:  "!s.Claimed || ", new: "",
		pkg: "./pkg/admin", test: "TestALagPoolHasTheWorkersOfThePoolThatAreNotDead",
	},
	{
		name: "several stuck shards make a pool grow without bound",
		file: "pkg/lag/pool.go",
		old:  "if role == Persister {\n\t\ttotal", new: "if false {\n\t\ttotal",
		pkg: "./pkg/lag", test: "TestTheSignalOfAPool",
	},
	{
		name: "a stuck shard's age counts in the mean",
		file: "pkg/lag/pool.go",
		old:  "l.Oldest = l.confirmed(target)", new: "_ = l.confirmed(target)",
		pkg: "./pkg/lag", test: "TestTheSignalOfAPool",
	},
	{
		name: "what waits less than a millisecond is written as 0",
		file: "pkg/lag/reading.go",
		old:  "(d + time.Millisecond - 1) / time.Millisecond", new: "d / time.Millisecond",
		pkg: "./pkg/lag", test: "TestWhatWaitsIsNeverWrittenAsZero",
	},
	{
		name: "what a worker told once is told for ever",
		file: "pkg/lease/memberrows.go",
		old:  "lag = $8::jsonb", new: "lag = coalesce($8::jsonb, lag)",
		pkg: "./pkg/lease", test: "TestAHeartbeatTellsTheLagAndNobodyReadsWorkersAgainForIt",
	},
	{
		name: "the lag is part of what makes others read workers again",
		file: "pkg/lease/memberrows.go",
		old:  "cordoned, started_at, expires_at,\n           worker_id <> $1", new: "cordoned OR lag IS NOT NULL AS cordoned, started_at, expires_at,\n           worker_id <> $1",
		pkg: "./pkg/lease", test: "TestAHeartbeatTellsTheLagAndNobodyReadsWorkersAgainForIt",
	},
}
