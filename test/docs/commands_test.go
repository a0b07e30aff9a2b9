package docs_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/cmd/kubectl-myelin/plugin"
)

// rules say how the commands of a program are tried. A program that neither has a rule nor is excused fails the test.
var rules = map[string]func(t *testing.T, c command) error{
	"kubectl": kubectl,
	"make":    makes,
	"go":      goes,
	"helm":    helm,
}

// excused programs are not tried, for a reason each.
var excused = map[string]string{
	"cd":           "moves about on the reader's machine",
	"git":          "fetches or looks at the reader's clone",
	"curl":         "asks a homeserver that runs; what it is asked is tested in pkg/gateway and pkg/clientapi",
	"grep":         "looks for text in what the command before it wrote",
	"tar":          "looks into an archive that the command before it wrote",
	"openssl":      "makes random bytes",
	"pg_dump":      "needs the reader's database",
	"pg_restore":   "needs the reader's database",
	"psql":         "needs the reader's database; statements in documents are tested by TestStatements",
	"systemctl":    "is about the reader's machine",
	"cosign":       "needs a published image",
	"docker":       "needs the reader's registry",
	"source":       "sets up the reader's shell",
	"export":       "sets up the reader's shell",
	"echo":         "only prints",
	"test":         "looks at the reader's files",
	"install":      "copies what was built to the reader's PATH",
	"promtool":     "is Prometheus' own; its rules are tested where they are",
	"watch":        "repeats a command that the page names elsewhere",
	"kubectl-cnpg": "is another operator's plugin",
}

// Whatever the documents tell people to type is accepted by what it is typed to: flags, arguments, resources, targets,
// files. What can be run without a running homeserver is.
func TestCommandsInDocumentsAreAccepted(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, f := range fences(t) {
		if f.language != "sh" {
			continue
		}
		all, err := commands(f)
		require.NoError(t, err)
		for _, c := range all {
			program := c.words[0]
			used[program] = true
			t.Run(fmt.Sprintf("%s:%d/%s", filepath.Base(f.file), f.line, strings.Join(c.words[:min(4, len(c.words))], "_")), func(t *testing.T) {
				require.NoError(t, accepted(t, c), "%v", c)
			})
		}
	}
	require.True(t, used["kubectl"] && used["make"], "no command was found at all")
}

// accepted says what is wrong with a command.
func accepted(t *testing.T, c command) error {
	t.Helper()
	if err := namesFiles(c); err != nil {
		return err
	}
	program := c.words[0]
	if rule, tried := rules[program]; tried {
		return rule(t, c)
	}
	if strings.Contains(program, "/") {
		return nil // its file is there
	}
	if excused[program] == "" {
		return fmt.Errorf("no rule tries %s, and nothing excuses it", program)
	}
	return nil
}

var ours = regexp.MustCompile(`^(\./)?(config|charts|hack|test|docs|cmd|bin)/[\w./-]*$`)

// namesFiles checks that files and folders of the project which a command names are there. What make build makes is not.
func namesFiles(c command) error {
	for _, word := range c.words {
		_, value, assigned := strings.Cut(word, "=")
		if !assigned {
			value = word
		}
		if !ours.MatchString(value) || strings.HasPrefix(strings.TrimPrefix(value, "./"), "bin/") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, value)); err != nil {
			return fmt.Errorf("there is no %s", value)
		}
	}
	return nil
}

// makes wants a target that exists, and variables that something reads.
func makes(t *testing.T, c command) error {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	names := slices.Collect(maps.Keys(c.env))
	targets := 0
	for _, word := range c.words[1:] {
		if name, _, assigns := strings.Cut(word, "="); assigns {
			names = append(names, name)
			continue
		}
		targets++
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(word) + `:`).Match(makefile) {
			return fmt.Errorf("there is no target %s", word)
		}
	}
	if targets == 0 {
		return errors.New("it has no target")
	}
	for _, name := range names {
		if !readByMake(t, string(makefile), name) {
			return fmt.Errorf("nothing reads %s", name)
		}
	}
	return nil
}

// readByMake says whether the Makefile, or a script or program that it runs, reads the variable.
func readByMake(t *testing.T, makefile, name string) bool {
	t.Helper()
	if strings.Contains(makefile, "$("+name+")") {
		return true
	}
	for pattern, reads := range map[string]*regexp.Regexp{
		"hack/*.sh":         regexp.MustCompile(`\$\{?` + name + `\b`),
		"hack/cluster/*.go": regexp.MustCompile(`"` + name + `"`),
	} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			if reads.Match(text) {
				return true
			}
		}
	}
	return false
}

// goes wants packages that exist.
func goes(_ *testing.T, c command) error {
	if len(c.words) < 2 || !slices.Contains([]string{"run", "test", "build", "install", "tool"}, c.words[1]) {
		return errors.New("no rule says how to try it")
	}
	for _, word := range c.words[2:] {
		path, under := strings.CutPrefix(word, "./")
		if !under || strings.Contains(path, "...") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			return fmt.Errorf("there is no package %s", word)
		}
	}
	return nil
}

// kubectl runs what reads, and what writes as a dry run of the server; of what needs a running pod only the flags count.
func kubectl(t *testing.T, c command) error {
	args, verb := plain(c.words[1:])
	if verb == "myelin" {
		if c.words[1] != verb {
			return errors.New("kubectl takes no flags before a plugin's name")
		}
		return plugin.Parse(c.words[2:])
	}
	switch verb {
	case "get", "describe", "explain", "api-resources", "version", "auth", "kustomize":
		args = slices.DeleteFunc(args, func(word string) bool { return word == "-w" || word == "--watch" })
		if slices.Contains(args, "--raw") { // a path that something else serves
			args = append(args, "--help")
		}
	case "apply", "create", "scale", "annotate", "label", "patch", "delete", "set", "replace", "drain", "cordon", "uncordon", "taint":
		args = append(args, "--dry-run=server")
	case "wait", "rollout":
		if !slices.ContainsFunc(args, func(word string) bool { return strings.Contains(word, "/") && !strings.HasPrefix(word, "-") }) {
			return errors.New("say what is waited for, as in homeserver/demo")
		}
		args = append(args, "--help")
	case "logs", "exec", "port-forward", "top", "debug", "cp":
		args = append(args, "--help")
	default:
		return errors.New("no rule says how to try it")
	}
	out, err := apiServer(t).kubectl(t, c.input, args...)
	if err != nil && !(verb == "create" && strings.Contains(out, "already exists")) { // it is valid: the server has looked
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// plain is a command line without what it runs in a pod, and its verb.
func plain(words []string) (args []string, verb string) {
	if i := slices.Index(words, "--"); i >= 0 {
		words = words[:i]
	}
	args = slices.Clone(words)
	for i := 0; i < len(words); i++ {
		switch {
		case slices.Contains([]string{"-n", "--namespace", "--context", "--kubeconfig"}, words[i]):
			i++ // its value
		case !strings.HasPrefix(words[i], "-"):
			return args, words[i]
		}
	}
	return args, ""
}

// Rules that accept everything would be of no use.
func TestCommandsThatAreWrongAreRefused(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"make no-such-target", "make NO_SUCH_VARIABLE=1 demo", "NO_SUCH_VARIABLE=1 make demo", "make",
		"go run ./test/nothing", "go fly", "hack/nothing.sh", "kubectl apply -f config/samples/nothing.yaml",
		"frobnicate --all",
		"kubectl myelin dance", "kubectl -n myelin myelin status", "kubectl myelin failover", "kubectl myelin workers -o xml",
		"kubectl get homeservices", "kubectl -n myelin get homeserver nobody", "kubectl -n myelin scale workerpool demo-persister --replica=4",
		"kubectl -n myelin annotate homeserver demo", "kubectl logs --no-such-flag x", "kubectl wait --for=condition=Ready", "kubectl frobnicate",
		`kubectl -n myelin patch homeserver demo --type=merge -p '{"spec":{"shards":7}}'`, "kubectl explain homeserver.spec.nothing",
		"helm install myelin", "helm frobnicate", "helm install myelin charts/myelin --set no.such.value=1", "helm uninstall myelin --no-such-flag",
		"helm upgrade myelin charts/myelin --set replicas=many", "helm upgrade myelin charts/myelin --no-such-flag",
	} {
		t.Run(strings.ReplaceAll(line, "/", "_"), func(t *testing.T) {
			t.Parallel()
			all, err := commands(fence{file: "x.md", text: line})
			require.NoError(t, err)
			require.Len(t, all, 1)
			require.Error(t, accepted(t, all[0]))
		})
	}
}
