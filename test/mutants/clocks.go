package main

// clocks are rules by which no clock has to be right, and by which a scenario that steps one does so.
var clocks = []mutant{
	{
		name: "a request that is refused for its time is not sent again",
		file: "pkg/internalauth/clock.go",
		old:  "return &transport{s, base}", new: "return base",
		pkg: "./pkg/internalauth", test: "TestNoClockHasToBeRight",
	},
	{
		name: "anybody may tell a worker the time",
		file: "pkg/internalauth/clock.go",
		old:  "return hmac.Equal([]byte(clock), []byte(vouch(", new: "return true || hmac.Equal([]byte(clock), []byte(vouch(",
		pkg: "./pkg/internalauth", test: "TestAClockThatIsNotVouchedForIsNotBelieved",
	},
	{
		name: "what a worker said of its clock is good for every request",
		file: "pkg/internalauth/clock.go",
		old:  "h.Write([]byte(request))", new: "",
		pkg: "./pkg/internalauth", test: "TestAClockThatIsNotVouchedForIsNotBelieved",
	},
	{
		name: "what one credential vouches for is signed by all",
		file: "pkg/internalauth/clock.go",
		old:  "keys[by:by+1]", new: "keys",
		pkg: "./pkg/internalauth", test: "TestATimeIsBelievedForItsCredentialOnly",
	},
	{
		name: "what is asked of the database or of others has no bound",
		file: "pkg/lease/clock.go",
		old:  "return context.WithTimeout(ctx, d)", new: "return context.WithCancel(ctx)",
		pkg: "./pkg/lease", test: "TestTheMachinesClock",
	},
	{
		name: "what nobody claims is taken back at once",
		file: "pkg/lease/options.go",
		old:  "cmp.Or(t.unclaimed, 2*time.Second)", new: "cmp.Or(t.unclaimed, time.Millisecond)",
		pkg: "./pkg/lease", test: "TestUnclaimedShardsAreTakenBack",
	},
	{
		name: "a refused dial is confirmed late",
		file: "pkg/lease/options.go",
		old:  "cmp.Or(t.confirm, 250*time.Millisecond)", new: "cmp.Or(t.confirm, 5*time.Second)",
		pkg: "./pkg/lease", test: "TestTakeoverAfterRefusedDials",
	},
	{
		name: "a heartbeat counts for long",
		file: "pkg/lease/options.go",
		old:  "cmp.Or(t.ttl, 3*time.Second)", new: "cmp.Or(t.ttl, 20*time.Second)",
		pkg: "./pkg/lease", test: "TestTakeoverAfterTheHeartbeatExpired",
	},
	{
		name: "a worker that is stuck goes on for long",
		file: "pkg/lease/options.go",
		old:  "cmp.Or(t.stuck, 3500*time.Millisecond)", new: "cmp.Or(t.stuck, 35*time.Second)",
		pkg: "./pkg/lease", test: "TestAWorkerThatIsStuckGivesUp",
	},
	{
		name: "a shard's holder may take any time to stop serving it",
		file: "pkg/lease/handoff.go",
		old:  "m.clock.Bound(ctx, m.timing.quiesce)", new: "context.WithCancel(ctx)",
		pkg: "./pkg/lease", test: "TestAMoveThatTakesTooLongSaysSo",
	},
	{
		name: "a refused dial needs no time to be confirmed",
		file: "pkg/lease/takeover.go",
		old:  "if !m.sleep(ctx, m.timing.confirm-m.since(s.since)) {", new: "if !m.sleep(ctx, 0) {",
		pkg: "./pkg/lease", test: "TestTakeoverAfterRefusedDials",
	},
	{
		name: "a registration's tickets last by a worker's clock",
		file: "pkg/auth/ticket.go",
		old:  "return now, nil", new: "return time.Now(), nil",
		pkg: "./pkg/auth", test: "TestTicketsLastByTheDatabasesClock",
	},
	{
		name: "a step of a worker's clock does not reach it",
		file: "test/chaos/stepped/step.go.txt",
		old:  "return sec + atomic.LoadInt64(step), nsec, mono", new: "return sec, nsec, mono",
		pkg: "./test/chaos", test: "TestAStepReachesAProcessThatRunsAndNoDuration",
	},
	{
		name: "a scenario whose steps reach nobody passes",
		file: "test/chaos/clock.go",
		old:  "date.Before(early) || date.After(", new: "false && date.Before(early) && date.After(",
		pkg: "./test/chaos", test: "TestAStepThatDoesNotReachTheWorkerIsNoticed",
	},
}
