package main

// roomOwner are rules of the worker that owns a room's shard, and of those that look for it.
var roomOwner = []mutant{
	{
		name: "a request for a shard that is not claimed yet is sent away",
		file: "pkg/persister/mine.go",
		old:  "if p.opts.Leases.OwnerOf(shard).Worker != p.opts.Leases.ID() {", new: "if true {",
		pkg: "./pkg/persister", test: "TestWhatIsGivenIsWaitedForUntilItIsGranted",
	},
	{
		name: "a worker says no by what it knew before",
		file: "pkg/persister/mine.go",
		old:  "known.Epoch > epochFrom(ctx) && epochFrom(ctx) > 0", new: "known.Epoch >= epochFrom(ctx)",
		pkg: "./pkg/persister", test: "TestWhoIsBehindIsSentOnWithoutARead",
	},
	{
		name: "a lane that cannot connect counts as one that gets on",
		file: "pkg/persister/settle.go",
		old:  "if !errors.Is(s.outcome.err, errNotSent) {", new: "if true {",
		pkg: "./pkg/persister", test: "TestALaneIsStalledWhileNothingGetsDone",
	},
	{
		name: "writes that wait for a handoff count as a lane that hangs",
		file: "pkg/persister/progress.go",
		old:  "w.due = time.Time{}", new: "_ = w",
		pkg: "./pkg/persister", test: "TestALaneIsStalledWhileNothingGetsDone",
	},
	{
		name: "what a room is already is answered without reading the lease",
		file: "pkg/persister/handler.go",
		old:  "case !a.remembered:", new: "case !a.remembered || a.err == nil:",
		pkg: "./pkg/persister", test: "TestWhatAZombieRemembersIsNoAnswer",
	},
	{
		name: "what a pooler reports counts as the server's word",
		file: "pkg/persister/outcome.go",
		old:  `pg.SeverityUnlocalized != "ERROR" || `, new: `pg.SeverityUnlocalized != "ERROR" && pg.SeverityUnlocalized != "" || `,
		pkg: "./pkg/persister", test: "TestJudge",
	},
	{
		name: "a connection exception counts as not written",
		file: "pkg/persister/outcome.go",
		old:  `ofClass(pg, "08", `, new: `ofClass(pg, `,
		pkg: "./pkg/persister", test: "TestJudge",
	},
	{
		name: "a write that the database is busy with holds up its lane for ever",
		file: "pkg/persister/settle.go",
		old:  "if len(b.writes) == 1 && !b.writes[0].contended {", new: "if len(b.writes) == 1 {",
		pkg: "./pkg/persister", test: "TestARoomThatIsLockedHoldsUpNobodyElse",
	},
	{
		name: "a room that cannot be read is tried again for ever",
		file: "pkg/persister/load.go",
		old:  "working.Err() != nil || ofWhatIsRead(err)", new: "working.Err() != nil",
		pkg: "./pkg/persister", test: "TestARoomThatCannotBeReadFailsAlone",
	},
	{
		name: "a room that cannot be read fails those that were read with it",
		file: "pkg/persister/load.go",
		old:  "if err != nil && len(wants) > 1 {", new: "if false {",
		pkg: "./pkg/persister", test: "TestARoomThatCannotBeReadFailsAlone",
	},
	{
		name: "a copy is what the room is, whatever was written since",
		file: "pkg/persister/copy.go",
		old:  "range since[1:] {", new: "range since[len(since):] {",
		pkg: "./pkg/persister", test: "TestALateCopyAuthorisesNothing",
	},
	{
		name: "a copy counts though the table does not have what it ends with",
		file: "pkg/persister/copy.go",
		old:  " || since[0].position != c.position || since[0].event != c.head.ID()", new: "",
		pkg: "./pkg/persister", test: "TestACopyOfALostPastAuthorisesNothing",
	},
	{
		name: "a copy from before a redaction counts",
		file: "pkg/persister/copy.go",
		old:  "err != nil || ev.Type() == typeRedaction", new: "err != nil",
		pkg: "./pkg/persister", test: "TestACopyFromBeforeARedactionIsNotUsed",
	},
	{
		name: "a worker that leaves sends all its rooms at once",
		file: "pkg/persister/copyout.go",
		old:  "maxSending = 4", new: "maxSending = 64",
		pkg: "./pkg/persister", test: "TestFewCopiesAreOnTheirWayAtOnce",
	},
	{
		name: "what is not committed is copied",
		file: "pkg/persister/copyout.go",
		old:  "if r.tail == nil {", new: "if true {",
		pkg: "./pkg/persister", test: "TestOnlyWhatIsCommittedIsCopied",
	},
	{
		name: "a message of a version to come is read as if it were known",
		file: "pkg/persister/copies.go",
		old:  "if m.Version == copiesVersion {", new: "if true {",
		pkg: "./pkg/persister", test: "TestCopiesThatDoNotHelpAreIgnored",
	},
	{
		name: "an unknown outcome is looked for in a former primary",
		file: "pkg/persister/session.go",
		old:  "err == nil && generation < s.leases.Generation()", new: "false",
		pkg: "./pkg/persister", test: "TestAFormerPrimaryIsNotLookedAt",
	},
	{
		name: "a lane stays with a former primary",
		file: "pkg/persister/session.go",
		old:  " && s.generation >= s.leases.Generation() {", new: " {",
		pkg: "./pkg/persister", test: "TestALaneConnectsAnewAfterAFailover",
	},
	{
		name: "a lane stays with a session that cannot write",
		file: "pkg/persister/session.go",
		old:  "if judge(err).verdict == notWritten {", new: "if false {",
		pkg: "./pkg/persister", test: "TestALaneThatCannotWriteConnectsAnew",
	},
	{
		name: "a block that is refused costs the connection",
		file: "pkg/persister/session.go",
		old:  "if judge(err).verdict == notWritten {", new: "if err != nil {",
		pkg: "./pkg/persister", test: "TestARefusedBlockLeavesTheConnection",
	},
	{
		name: "a commit of before a failover is answered",
		file: "pkg/persister/commit.go",
		old:  "if o.verdict == committed && b.generation", new: "if false && b.generation",
		pkg: "./pkg/persister", test: "TestACommitOfThePastIsLookedForInThePresent",
	},
	{
		name: "answers of before a failover are remembered",
		file: "pkg/persister/order.go",
		old:  "\t\tl.memory = newMemory(l.memory.size)\n", new: "",
		pkg: "./pkg/persister", test: "TestNothingFromBeforeAFailoverIsRemembered",
	},
	{
		name: "a write goes to the shard that its room has left",
		file: "pkg/persister/lane.go",
		old:  " || l.leases.ShardOf(w.room) != w.shard {", new: " {",
		pkg: "./pkg/persister", test: "TestAWriteDoesNotGoToTheShardThatItsRoomLeft",
	},
	{
		name: "the next owner is not warmed, or too late",
		file: "pkg/lease/handoff.go",
		old:  "\t\tm.warm(ctx, l.Shard, to)\n", new: "",
		pkg: "./pkg/lease", test: "TestTheNextOwnerIsWarmedWhileTheShardIsServed",
	},
}
