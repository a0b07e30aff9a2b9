package main

// roomOwner are rules of the worker that owns a room's shard, and of those that look for it.
var roomOwner = []mutant{
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
}
