package main

// faults are the rules of those who stand between clients, workers and Postgres when one of them is cut off or gone.
var faults = []mutant{
	{
		name: "a connection may lead to any Myelin database",
		file: "pkg/postgres/validate.go",
		old:  "string(row[1]) != databaseID", new: "row[1] == nil",
		pkg: "./pkg/postgres", test: "TestOnlyTheDatabaseThatIsExpectedIsConnectedTo",
	},
	{
		name: "a connection may lead to a standby",
		file: "pkg/postgres/validate.go",
		old:  `string(row[0]) == "t"`, new: "row[0] == nil",
		pkg: "./pkg/postgres", test: "TestOfSeveralHostsThePrimaryIsFound",
	},
	{
		name: "a demoted primary keeps its connections",
		file: "pkg/postgres/validate.go",
		old:  "err.Code != readOnly &&", new: "err.Code != \"\" &&",
		pkg: "./pkg/postgres", test: "TestAServerThatLetsNobodyWriteLosesItsConnections",
	},
	{
		name: "what is sent into a cut network is sent for a quarter of an hour",
		file: "pkg/network/network.go",
		old:  "\t\tControl:         boundSilence,\n", new: "",
		pkg: "./pkg/network", test: "TestConnectionsNoticeThatTheOtherSideHasVanished",
	},
}
