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
}
