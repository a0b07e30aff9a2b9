package main

const (
	archiveFile = "cmd/kubectl-myelin/plugin/archive.go"
	secretsFile = "cmd/kubectl-myelin/redact/secrets.go"
)

// plugin are the rules of what leaves a cluster in a report.
var plugin = []mutant{
	{
		name: "logs go into a report as they are",
		file: archiveFile,
		old:  "a.add(name, a.redactor.Text(text))", new: "a.add(name, text)",
		pkg: "./cmd/kubectl-myelin/plugin", test: "TestAReportHoldsNothingSecret",
	},
	{
		name: "resources go into a report as they are",
		file: archiveFile,
		old:  "tree = a.redactor.Value(tree)", new: "",
		pkg: "./cmd/kubectl-myelin/plugin", test: "TestAReportHoldsNothingSecret",
	},
	{
		name: "what is missing is told as it is",
		file: archiveFile,
		old:  "string(a.redactor.Text([]byte(text)))", new: "text",
		pkg: "./cmd/kubectl-myelin/plugin", test: "TestAReportHoldsNothingSecret",
	},
	{
		name: "values of environment variables are in a report",
		file: "cmd/kubectl-myelin/plugin/reportresources.go",
		old:  "\thideEnvironment(x.Object)\n", new: "",
		pkg: "./cmd/kubectl-myelin/plugin", test: "TestAReportHoldsNothingSecret",
	},
	{
		name: "annotations of others are in a report",
		file: "cmd/kubectl-myelin/plugin/reportresources.go",
		old:  "\tx.SetAnnotations(kept)\n", new: "",
		pkg: "./cmd/kubectl-myelin/plugin", test: "TestAReportHoldsNothingSecret",
	},
	{
		name: "passwords of URIs stay",
		file: secretsFile,
		old:  "userinfo.ReplaceAllString(text, \"${1}\"+Gone+\"@\")", new: "text",
		pkg: "./cmd/kubectl-myelin/redact", test: "TestSecretsAreTakenOut",
	},
	{
		name: "pseudonyms can be found out by trying",
		file: "cmd/kubectl-myelin/redact/redact.go",
		old:  "rand.Read(r.key) // never", new: "rand.Read(nil) // never",
		pkg: "./cmd/kubectl-myelin/redact", test: "TestNamesHaveOnePseudonym",
	},
}
