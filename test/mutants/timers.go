package main

// timers are how long is waited for what may not come, and how soon it is tried again.
var timers = []mutant{
	{
		name: "an announcer does not renew its term",
		file: "pkg/horizon/announcer.go",
		old:  "now.Sub(*renewed) >= renewEvery", new: "now.Sub(*renewed) >= leaderTTL",
		pkg: "./pkg/horizon", test: "TestATermIsRenewedThreeTimesBeforeItEnds",
	},
	{
		name: "a term ends later than it says",
		file: "pkg/horizon/term.go",
		old:  "WHERE l.expires_at <= clock_timestamp()", new: "WHERE l.expires_at <= clock_timestamp() - interval '1 second'",
		pkg: "./pkg/horizon", test: "TestATermEndsASecondAfterItWasLastRenewed",
	},
	{
		name: "an announcer believes a term that is longer than any",
		file: "pkg/horizon/announcer.go",
		old:  "sleep(ctx, min(left, leaderTTL)+", new: "sleep(ctx, left+",
		pkg: "./pkg/horizon", test: "TestAnotherAnnouncersTermIsWaitedForAndNoLonger",
	},
	{
		name: "an announcer that stops waits for a dead server",
		file: "pkg/horizon/announcer.go",
		old:  "context.WithTimeout(context.WithoutCancel(ctx), leaderTTL)", new: "context.WithTimeout(context.WithoutCancel(ctx), 60*leaderTTL)",
		pkg: "./pkg/horizon", test: "TestAnAnnouncerThatStopsWaitsForNoDeadServer",
	},
	{
		name: "pokes make as many rounds",
		file: "pkg/horizon/announcer.go",
		old:  "sleep(ctx, rounds.left(time.Now()))", new: "",
		pkg: "./pkg/horizon", test: "TestPokesMakeRoundsAtOnceButNoMoreThanTwoHundredASecond",
	},
	{
		name: "nobody looks how long a block still holds P",
		file: "pkg/horizon/announcer.go",
		old:  "if s.held {\n\t\tspacing = heldSpacing", new: "if s.held {\n\t\tspacing = idleSpacing",
		pkg: "./pkg/horizon", test: "TestAnAnnouncerLooksOftenWhileABlockHoldsPAndEndsItsBackend",
	},
	{
		name: "a follower asks the database though the bus speaks",
		file: "pkg/horizon/follower.go",
		old:  "quiet < silentAfter && f.generation != 0", new: "quiet < 0 && f.generation != 0",
		pkg: "./pkg/horizon", test: "TestAFollowerAsksTheDatabaseOnlyWhileTheBusIsSilent",
	},
	{
		name: "P is fresh for longer than a second",
		file: "pkg/horizon/follower.go",
		old:  "return f.silence() < freshFor }", new: "return f.silence() < 2*freshFor }",
		pkg: "./pkg/horizon", test: "TestPIsFreshForASecond",
	},
	{
		name: "a follower waits for a database that hangs",
		file: "pkg/horizon/follower.go",
		old:  "ctx, cancel := context.WithTimeout(ctx, pollLimit)\n\tdefer cancel()\n\treturn f.blocks", new: "ctx, cancel := context.WithTimeout(ctx, time.Hour)\n\tdefer cancel()\n\treturn f.blocks",
		pkg: "./pkg/horizon", test: "TestADatabaseThatDoesNotAnswerTakesTwoSecondsOfAFollower",
	},
	{
		name: "a lane does not let the database rest longer each time",
		file: "pkg/persister/settle.go",
		old:  "max(2*l.pause, minPause)", new: "max(l.pause, minPause)",
		pkg: "./pkg/persister", test: "TestALaneLetsADatabaseThatRefusesBlocksRest",
	},
	{
		name: "a block that is written does not end a bad time",
		file: "pkg/persister/settle.go",
		old:  "l.pause = 0\n", new: "",
		pkg: "./pkg/persister", test: "TestALaneLetsADatabaseThatRefusesBlocksRest",
	},
	{
		name: "a commit may take for ever",
		file: "pkg/persister/commit.go",
		old:  "\tctx, cancel := context.WithTimeout(working, commitTimeout)", new: "\tctx, cancel := context.WithTimeout(working, 10*commitTimeout)",
		pkg: "./pkg/persister", test: "TestACommitThatHangsIsGivenUp",
	},
	{
		name: "a look for a block outlives the process",
		file: "pkg/persister/commit.go",
		old:  "case <-ctx.Done():", new: "case <-working.Done():",
		pkg: "./pkg/persister", test: "TestALookForABlockEndsWithTheProcess",
	},
	{
		name: "what hangs while rooms are read is waited for",
		file: "pkg/persister/load.go",
		old:  "context.WithTimeout(working, commitTimeout)", new: "context.WithTimeout(working, 10*commitTimeout)",
		pkg: "./pkg/persister", test: "TestReadingRoomsIsBounded",
	},
	{
		name: "a request is tried again for too long",
		file: "pkg/route/forwarder.go",
		old:  "if time.Since(start) > giveUp {\n\t\t\treturn unavailable(\"The room", new: "if time.Since(start) > 2*giveUp {\n\t\t\treturn unavailable(\"The room",
		pkg: "./pkg/route", test: "TestARequestIsTriedAgainForTwentyFiveSeconds",
	},
	{
		name: "an owner has for ever for its answer",
		file: "pkg/route/forwarder.go",
		old:  "context.WithTimeout(ctx, answerLimit)", new: "context.WithTimeout(ctx, 100*answerLimit)",
		pkg: "./pkg/route", test: "TestAnOwnerHasThirtySecondsForItsAnswer",
	},
	{
		name: "requests that wait look at the database too often",
		file: "pkg/route/truth.go",
		old:  "\ttime.Sleep(wait)\n", new: "\ttime.Sleep(wait / 2)\n",
		pkg: "./pkg/route", test: "TestLooksAtTheDatabaseAreFiftyMillisecondsApart",
	},
	{
		name: "an answer that stalls is waited for",
		file: "pkg/route/attempt.go",
		old:  "listener.allow(stallLimit)", new: "listener.allow(10 * stallLimit)",
		pkg: "./pkg/route", test: "TestAnAnswerThatStallsIsBrokenOffAfterThirtySeconds",
	},
	{
		name: "a client may send its body for ever",
		file: "pkg/gateway/gateway.go",
		old:  "_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))", new: "",
		pkg: "./pkg/gateway", test: "TestAClientHasThirtySecondsForABody",
	},
	{
		name: "a follower that nobody attends hears each P for longer than a minute",
		file: "pkg/horizon/attention.go",
		old:  "time.Duration(left) < lingerFor", new: "time.Duration(left) < 2*lingerFor",
		pkg: "./pkg/horizon", test: "TestAFollowerHearsEachPWhileItIsAttendedAndDigestsElse",
	},
	{
		name: "the first request waits for long for a P that nobody tells",
		file: "pkg/sync/serve.go",
		old:  "context.WithTimeout(ctx, promptLimit)", new: "context.WithTimeout(ctx, 10*promptLimit)",
		pkg: "./pkg/sync", test: "TestTheFirstRequestWaitsForTheNewestP",
	},
}
