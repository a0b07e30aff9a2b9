package main

// mutant is one rule removed: old, which file holds exactly once, becomes new; then test, in pkg, must fail.
type mutant struct {
	name     string
	file     string
	old, new string
	pkg      string
	test     string
}

const schemaFile = "pkg/schema/migrations/0005_barrier.sql"

// writePath are the rules of the fence, the horizon and the deduplication.
var writePath = []mutant{
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
	{
		name: "a block is published before it is committed",
		file: "pkg/persister/commit.go",
		old:  "\to := l.try(working, b)\n", new: "\tl.pipe.publish(b)\n\to := l.try(working, b)\n",
		pkg: "./pkg/persister", test: "TestPublishOnlyAfterCommit",
	},
	{
		name: "an announcer in the process is poked over the bus too",
		file: "pkg/persister/publish.go",
		old:  "PublishBlock(ctx, rooms, users, !b.poked)", new: "PublishBlock(ctx, rooms, users, true)",
		pkg: "./pkg/persister", test: "TestTheAnnouncerIsPokedOnceForABlock",
	},
	{
		name: "the announcer is poked before the bodies are published",
		file: "pkg/bus/bus.go",
		old:  "return b.publish(ctx, bodies, []message{b.poke()})", new: "return b.publish(ctx, []message{b.poke()}, bodies)",
		pkg: "./pkg/bus", test: "TestBodiesComeBeforeThePoke",
	},
	{
		name: "P is the sequence's last value",
		file: "pkg/horizon/closer.go",
		old:  "ceiling := min(last, inFlight)", new: "ceiling := max(last, inFlight)",
		pkg: "./pkg/horizon", test: "TestHorizonNeverPassesAnOpenBlock",
	},
	{
		name: "deduplication is outside the transaction",
		file: "pkg/persister/session.go",
		old: `	results := s.conn.SendBatch(ctx, s.pipeline(b))
	begun := results.QueryRow().Scan(&b.number)
	closed := results.Close()
`,
		new: `	batch := s.pipeline(b)
	last := batch.QueuedQueries[len(batch.QueuedQueries)-1]
	if last.SQL == sqlDedupe {
		batch.QueuedQueries = batch.QueuedQueries[:len(batch.QueuedQueries)-1]
	}
	results := s.conn.SendBatch(ctx, batch)
	begun := results.QueryRow().Scan(&b.number)
	closed := results.Close()
	if begun == nil && closed == nil && last.SQL == sqlDedupe {
		_, closed = s.conn.Exec(ctx, last.SQL, last.Arguments...)
	}
`,
		pkg: "./pkg/persister", test: "TestDedupeSharesTheEventsTransaction",
	},
	{
		name: "an unknown outcome is looked for without raising the epoch",
		file: "pkg/persister/session.go",
		old: `	if _, err := s.leases.Raise(ctx, b.shards); err != nil {
		return false, fmt.Errorf("raise epochs: %w", err)
	}
`,
		new: "",
		pkg: "./pkg/persister", test: "TestUnknownOutcomeWaitsForTheLateCommit",
	},
	{
		name: "a refusal from memory is told without reading the lease",
		file: "pkg/persister/handler.go",
		old:  "\tcase !still:", new: "\tcase false && !still:",
		pkg: "./pkg/persister", test: "TestRefusalFromMemoryIsVerifiedFirst",
	},
	{
		name: "a refusal does not wait for the block it follows from",
		file: "pkg/persister/lane.go",
		old:  "r.epoch\n\tif r.tail == nil {", new: "r.epoch\n\tif true {",
		pkg: "./pkg/persister", test: "TestRefusalRidesOnTheBlockItFollowsFrom",
	},
}
