package main

// mutant is one rule removed: old, which file holds exactly once, becomes new; then test, in pkg, must fail.
type mutant struct {
	name     string
	file     string
	old, new string
	pkg      string
	test     string
}

const schemaFile = "pkg/schema/migrations/0001_init.sql"

var mutants = []mutant{
	{
		name: "the fence takes no row lock",
		file: schemaFile,
		old:  "ORDER BY l.shard_id FOR SHARE OF l) q;", new: "ORDER BY l.shard_id) q;",
		pkg: "./pkg/persister", test: "TestZombieWriteIsFencedByRowLock",
	},
	{
		name: "the fence compares no epoch",
		file: schemaFile,
		old:  "AND l.owner = w AND l.epoch = u.ep", new: "AND l.owner = w",
		pkg: "./pkg/persister", test: "TestZombieWriteIsFencedByEpoch",
	},
}
