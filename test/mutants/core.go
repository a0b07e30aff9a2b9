package main

// roomCore are rules of canonical JSON, events, authorisation, state resolution and keys.
var roomCore = []mutant{
	{
		name: "canonical JSON keeps the order of keys",
		file: "pkg/canonicaljson/writer.go",
		old:  "\tif !sorted {", new: "\tif false && !sorted {",
		pkg: "./pkg/canonicaljson", test: "TestCanonicalizeSpecificationExamples",
	},
	{
		name: "a key may come twice",
		file: "pkg/canonicaljson/writer.go",
		old:  "case order == 0:", new: "case false && order == 0:",
		pkg: "./pkg/canonicaljson", test: "TestCanonicalizeRefuses",
	},
	{
		name: "great fractions are written as JavaScript does, not Python",
		file: "pkg/canonicaljson/number.go",
		old:  "abs >= 1e16", new: "abs >= 1e21",
		pkg: "./pkg/canonicaljson", test: "TestAppendLenient",
	},
	{
		name: "the reference hash covers the signatures",
		file: "pkg/event/hash.go",
		old:  `e.evType, "signatures")`, new: `e.evType, "")`,
		pkg: "./pkg/event", test: "TestIDIsTheReferenceHash",
	},
	{
		name: "version 3 writes event ids as version 4 does",
		file: "pkg/event/version.go",
		old:  "false, base64.RawStdEncoding, false", new: "false, base64.RawURLEncoding, false",
		pkg: "./pkg/event", test: "TestIDIsTheReferenceHash",
	},
	{
		name: "redaction takes the allow key of join rules away in version 8",
		file: "pkg/event/redact.go",
		old:  `Keys: []string{"join_rule", "allow"}`, new: `Keys: []string{"join_rule"}`,
		pkg: "./pkg/event", test: "TestRedactionOfVersions",
	},
	{
		name: "a signature is good whoever is asked for",
		file: "pkg/event/signature.go",
		old:  "!ed25519.Verify(pub, ev.signed(), signature)", new: "len(signature) != ed25519.SignatureSize",
		pkg: "./pkg/event", test: "TestSpecificationSignedEventVerifies",
	},
	{
		name: "knocking is a membership in every version",
		file: "pkg/eventauth/member.go",
		old:  "membership == knock && v.Knocking", new: "membership == knock",
		pkg: "./pkg/eventauth", test: "TestVersionsDiffer",
	},
	{
		name: "everybody may knock",
		file: "pkg/eventauth/member.go",
		old:  `rule != "knock" &&`, new: `rule != "knock" && false &&`,
		pkg: "./pkg/eventauth", test: "TestEveryRuleAcceptsAndRefuses",
	},
	{
		name: "any member may vouch for a restricted join",
		file: "pkg/eventauth/member.go",
		old:  "levels.User(via) < levels.Invite", new: "levels == nil",
		pkg: "./pkg/eventauth", test: "TestEveryRuleAcceptsAndRefuses",
	},
	{
		name: "notification levels are anybody's to change",
		file: "pkg/eventauth/powerlevels.go",
		old:  "if v.NotificationLevels {", new: "if false {",
		pkg: "./pkg/eventauth", test: "TestVersionsDiffer",
	},
	{
		name: "power levels may list a creator",
		file: "pkg/eventauth/powerlevels.go",
		old:  "users[string(creator)]; listed {", new: "users[string(creator)]; false && listed {",
		pkg: "./pkg/eventauth", test: "TestEveryRuleAcceptsAndRefuses",
	},
	{
		name: "a redaction of another server's event needs no power in version 1",
		file: "pkg/eventauth/redaction.go",
		old:  `of != "" && of == domain(string(ev.ID()))`, new: `of != ""`,
		pkg: "./pkg/eventauth", test: "TestEveryRuleAcceptsAndRefuses",
	},
	{
		name: "state resolution breaks ties by the greater id",
		file: "pkg/stateres/powersort.go",
		old:  "cmp.Compare(x.id, y.id)", new: "cmp.Compare(y.id, x.id)",
		pkg: "./pkg/stateres", test: "TestResultIsThatOfTheSpecificationsText",
	},
	{
		name: "state resolution puts the powerless first",
		file: "pkg/stateres/powersort.go",
		old:  "cmp.Compare(y.level, x.level)", new: "cmp.Compare(x.level, y.level)",
		pkg: "./pkg/stateres", test: "TestResultIsThatOfTheSpecificationsText",
	},
	{
		name: "state resolution 2.1 starts from the unconflicted state",
		file: "pkg/stateres/resolve.go",
		old:  "r.resolveV2(false, true)", new: "r.resolveV2(true, true)",
		pkg: "./pkg/stateres", test: "TestResultIsThatOfTheSpecificationsText",
	},
	{
		name: "state resolution 2.1 leaves the conflicted subgraph out",
		file: "pkg/stateres/resolve.go",
		old:  "r.resolveV2(false, true)", new: "r.resolveV2(false, false)",
		pkg: "./pkg/stateres", test: "TestResultIsThatOfTheSpecificationsText",
	},
	{
		name: "state resolution 1 takes the shallowest event",
		file: "pkg/stateres/v1.go",
		old:  "cmp.Compare(y.ev.Depth(), x.ev.Depth())", new: "cmp.Compare(x.ev.Depth(), y.ev.Depth())",
		pkg: "./pkg/stateres", test: "TestResultIsThatOfTheSpecificationsText",
	},
	{
		name: "an expired key is good for new events",
		file: "pkg/keyring/server.go",
		old:  "return nil, refused", new: "return k.public, found",
		pkg: "./pkg/keyring", test: "TestAnOldKeyIsGoodForOldEventsAlone",
	},
	{
		name: "a key is valid for as long as its server says",
		file: "pkg/keyring/response.go",
		old:  "min(*body.ValidUntilTS, now.Add(maxValidity).UnixMilli())", new: "*body.ValidUntilTS",
		pkg: "./pkg/keyring", test: "TestNoKeyIsValidForMoreThanSevenDays",
	},
}
