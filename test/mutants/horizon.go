package main

// horizon are the rules of who moves P, how fresh it is, and what a generation begins with.
var horizon = []mutant{
	{
		name: "an announcer that was deposed writes P down",
		file: "pkg/horizon/row.go",
		old:  "l.worker_id = $4 AND l.term = $5", new: "$4::bigint > 0 AND $5::bigint > 0",
		pkg: "./pkg/horizon", test: "TestDeposedAnnouncerCannotMoveTheHorizon",
	},
	{
		name: "a round may take for ever",
		file: "pkg/horizon/announcer.go",
		old:  "context.WithTimeout(ctx, roundLimit)\n\tdefer cancel()\n\tif now", new: "context.WithTimeout(ctx, 1000*roundLimit)\n\tdefer cancel()\n\tif now",
		pkg: "./pkg/horizon", test: "TestASessionOnWhichARoundTakesTooLongIsGivenUp",
	},
	{
		name: "the last P is not written down",
		file: "pkg/horizon/row.go",
		old:  "return max(0, rowSpacing-now.Sub(c.row.written)), true", new: "return 1, true",
		pkg: "./pkg/horizon", test: "TestWhoHearsNothingReadsTheRow",
	},
	{
		name: "a P that is held back is told again",
		file: "pkg/horizon/announcer.go",
		old:  "return s.P != s.Prev || !s.held", new: "return true",
		pkg: "./pkg/horizon", test: "TestAHeldPIsNotToldAgain",
	},
	{
		name: "a P that is read counts as fresh, whatever waits above it",
		file: "pkg/horizon/follower.go",
		old:  "int64(asked - s.age)", new: "int64(asked)",
		pkg: "./pkg/horizon", test: "TestAnOverduePIsNotFresh",
	},
	{
		name: "an announcement that ends a silence counts as fresh",
		file: "pkg/horizon/follower.go",
		old:  "if h.P >= own && f.silence() < freshFor {", new: "if h.P >= own {",
		pkg: "./pkg/horizon", test: "TestAnAnnouncementThatEndsASilenceIsNotFresh",
	},
	{
		name: "an announcement whose predecessor is unknown is taken as it is",
		file: "pkg/horizon/follower.go",
		old:  "case h.P > own && h.Prev <= own:", new: "case h.P > own:",
		pkg: "./pkg/horizon", test: "TestFollowerFillsWhatTheBusLost",
	},
	{
		name: "an announcement that overlaps is taken whole",
		file: "pkg/horizon/follower.go",
		old:  "Blocks: above(h.Blocks, position.Position(own).Block())", new: "Blocks: h.Blocks",
		pkg: "./pkg/horizon", test: "TestFollowerFillsWhatTheBusLost",
	},
	{
		name: "another generation is announced with its first block only",
		file: "pkg/horizon/row.go",
		old:  "case c.generation != c.row.generation:", new: "case c.generation != c.row.generation && c.p != c.row.position:",
		pkg: "./pkg/horizon", test: "TestAGenerationIsAnnouncedWithoutABlock",
	},
	{
		name: "followers keep what they know in another generation",
		file: "pkg/horizon/follower.go",
		old:  "if generation != f.generation ||", new: "if f.generation == 0 ||",
		pkg: "./pkg/horizon", test: "TestAnotherGenerationResetsTheFollower",
	},
	{
		name: "a backend is ended only once",
		file: "pkg/horizon/hold.go",
		old:  "now.Sub(h.ended) >= endEvery", new: "h.ended.IsZero()",
		pkg: "./pkg/horizon", test: "TestBackendsAreEndedWhilePStands",
	},
	{
		name: "young blocks lose their backends too",
		file: "pkg/horizon/closer.go",
		old:  "a.xact_start < clock_timestamp() - $1::interval", new: "$1::interval IS NOT NULL",
		pkg: "./pkg/horizon", test: "TestStuckBlockLosesItsBackend",
	},
	{
		name: "a former primary is announced",
		file: "pkg/horizon/announcer.go",
		old:  "if a.cfg.Generation != nil &&", new: "if false &&",
		pkg: "./pkg/horizon", test: "TestAFormerPrimaryIsNotAnnounced",
	},
	{
		name: "a quiet time saves up any number of rounds",
		file: "pkg/horizon/pace.go",
		old:  "if p.due.Before(now) {", new: "if p.due.IsZero() {",
		pkg: "./pkg/horizon", test: "TestRoundsAreImmediateInQuietAndSpacedUnderLoad",
	},
}
