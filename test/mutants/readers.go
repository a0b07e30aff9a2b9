package main

// readers are the rules of what a sync worker serves from memory, and to which tokens.
var readers = []mutant{
	{
		name: "what was derived from a lost history stays in memory",
		file: "pkg/sync/feed.go",
		old:  "\tif a.Reset {", new: "\tif a.Reset && a.Prev == 0 {",
		pkg: "./pkg/sync", test: "TestTokensOfALostHistoryGoOn",
	},
	{
		name: "memberships of a lost history stay in memory",
		file: "pkg/sync/user.go",
		old:  "\t\tu.reset()\n", new: "\t\t_ = u\n",
		pkg: "./pkg/sync", test: "TestAUserShardThatIsFarBehindStartsOver",
	},
	{
		name: "the metric of a lag that is not known is 0",
		file: "pkg/sync/sync.go",
		old:  "return math.NaN()", new: "return math.Trunc(0)",
		pkg: "./pkg/sync", test: "TestAWorkerThatDoesNotHearTheHorizonTellsNoLag",
	},
	{
		name: "a foreign token is waited for",
		file: "pkg/sync/serve.go",
		old:  "return token.Block() > last, nil", new: "return token.Block() < 0, nil",
		pkg: "./pkg/sync", test: "TestAForeignTokenBeginsAnew",
	},
	{
		name: "a token of another worker is foreign",
		file: "pkg/sync/serve.go",
		old:  "return token.Block() > last, nil", new: "return token.Block() >= last, nil",
		pkg: "./pkg/sync", test: "TestTokenAheadOfTheHorizonIsWaitedFor",
	},
	{
		name: "a body is served before P covers it",
		file: "pkg/sync/inbox.go",
		old:  "\tin.bodies[block] = body\n", new: "\tin.bodies[block] = body\n\tin.cover(block)\n",
		pkg: "./pkg/sync", test: "TestBodyOfABlockThatWasNotCommittedIsNeverServed",
	},
	{
		name: "a block that is covered twice is wanted twice",
		file: "pkg/sync/inbox.go",
		old:  "\tif block <= in.covered {\n\t\treturn\n\t}\n", new: "",
		pkg: "./pkg/sync", test: "TestInboxHandsOutCoveredBodiesInOrder",
	},
	{
		name: "bodies are applied as they come",
		file: "pkg/sync/room.go",
		old:  "\tr.inbox.hear(b.Block, b)\n", new: "\tif r.inbox.lacks(b.Block) {\n\t\tr.inbox.settle(b.Block - 1)\n\t}\n\tr.inbox.hear(b.Block, b)\n",
		pkg: "./pkg/sync", test: "TestIncrementalSyncsAddUpToTheTable",
	},
	{
		name: "a body that did not come is not missed",
		file: "pkg/sync/inbox.go",
		old:  "return len(in.want) > 0 && in.want[0] <= block", new: "return false",
		pkg: "./pkg/sync", test: "TestIncrementalSyncsAddUpToTheTable",
	},
	{
		name: "memberships that did not come are not missed",
		file: "pkg/sync/catchup_user.go",
		old:  "x.busy, x.inbox.lacks(p.Block()),", new: "x.busy, false,",
		pkg: "./pkg/sync", test: "TestMembershipsAddUpWhateverTheBusLoses",
	},
	{
		name: "bodies wait for P without bound",
		file: "pkg/sync/inbox.go",
		old:  "in.bodies == nil || len(in.bodies) >= maxBodies", new: "in.bodies == nil",
		pkg: "./pkg/sync", test: "TestInboxHandsOutCoveredBodiesInOrder",
	},
	{
		name: "a user shard notes blocks without bound",
		file: "pkg/sync/feed.go",
		old:  "len(x.inbox.want) > maxWanted", new: "len(x.inbox.want) > 1<<20",
		pkg: "./pkg/sync", test: "TestAUserShardThatIsFarBehindStartsOver",
	},
	{
		name: "a room that is read keeps nothing of what came meanwhile",
		file: "pkg/sync/room.go",
		old:  "if r.history == nil && r.busy == nil {\n\t\tr.absent = false", new: "if r.history == nil {\n\t\tr.absent = false",
		pkg: "./pkg/sync", test: "TestIncrementalSyncsAddUpToTheTable",
	},
	{
		name: "a sync request is answered as of the last digest",
		file: "pkg/sync/serve.go",
		old:  "\t\ts.cfg.Follower.AwaitPrompt(ctx)\n", new: "\t\t_ = ctx\n",
		pkg: "./pkg/sync", test: "TestTheFirstRequestWaitsForTheNewestP",
	},
	{
		name: "nobody attends for a sync request",
		file: "pkg/sync/serve.go",
		old:  "\tdefer s.cfg.Follower.Attend()()\n", new: "",
		pkg: "./pkg/sync", test: "TestWhoIsServedIsToldAtOnce",
	},
	{
		name: "a gateway believes its cache while it hears digests",
		file: "pkg/gateway/tokens.go",
		old:  "\tdefer t.horizon.Attend()()\n", new: "\tt.horizon.Attend()()\n",
		pkg: "./pkg/gateway", test: "TestACachedTokenCountsOnlyWhileTheHorizonIsFresh",
	},
}
