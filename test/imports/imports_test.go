// Package imports holds the import law of ARCHITECTURE.md as a test.
package imports

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/myelin-hs/myelin/"

// layer of each package below pkg/. A package that is not named here fails the test: give it a place.
var layer = map[string]int{
	"id": 0, "mxerr": 0, "canonicaljson": 0, "event": 0, "eventauth": 0, "stateres": 0, "shard": 0, "position": 0, "pushrules": 0, "lag": 0,
	"service": 1, "service/proctest": 1, "config": 1, "telemetry": 1, "postgres": 1, "postgres/pgtest": 1, "schema": 1, "bus": 1, "bus/redistest": 1, "network": 1, "network/porttest": 1,
	"lease": 2, "store": 2, "store/storetest": 2, "keyring": 2, "auth": 2, "admin": 2, "horizon": 2, "route": 2, "internalauth": 2, "mxhttp": 2,
	"gateway": 3, "clientapi": 3, "persister": 3, "sync": 3, "fedin": 3, "adminapi": 3,
	"app": 4,
}

// allowed says which layers a layer may import: L0 and L1 know nothing of each other, a role knows no other role.
var allowed = map[int][]int{0: {0}, 1: {1}, 2: {0, 1, 2}, 3: {0, 1, 2}, 4: {0, 1, 2, 3}}

// never lists what a binary, or a folder's packages, must not link.
var never = map[string][]string{
	"cmd/worker":          {"k8s.io/", "sigs.k8s.io/controller-runtime"},
	"cmd/operator":        {"github.com/jackc/pgx", "github.com/redis/", module + "pkg/postgres", module + "pkg/schema"},
	"cmd/metrics-adapter": {"github.com/jackc/pgx", "github.com/redis/", module + "pkg/postgres", module + "pkg/schema"},
	"cmd/kubectl-myelin":  {"github.com/jackc/pgx", "github.com/redis/"},
	"api":                 {"k8s.io/api/", "k8s.io/client-go", "sigs.k8s.io/controller-runtime", "github.com/jackc/pgx", "github.com/redis/", module + "pkg"},
	"controllers":         {"github.com/jackc/pgx", "github.com/redis/"},
	"pkg":                 {"k8s.io/", "sigs.k8s.io/controller-runtime"},
}

type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// list gives the packages of the module and of those of its binaries that are modules of their own.
func list(t *testing.T) []listed {
	t.Helper()
	return append(listIn(t, "../.."), listIn(t, "../../cmd/metrics-adapter")...)
}

func listIn(t *testing.T, dir string) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			require.NoError(t, err)
		}
		all = append(all, p)
	}
}

func TestImportLaw(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		name, ok := strings.CutPrefix(p.ImportPath, module+"pkg/")
		if !ok {
			continue
		}
		own, known := layer[name]
		if !known {
			t.Errorf("pkg/%s has no layer: name it in the import law", name)
			continue
		}
		for _, i := range p.Imports {
			if strings.HasPrefix(i, module) && !strings.HasPrefix(i, module+"pkg/") {
				t.Errorf("pkg/%s imports %s: pkg depends on nothing outside pkg", name, i)
			}
			other, inside := strings.CutPrefix(i, module+"pkg/")
			if !inside {
				continue
			}
			if !slices.Contains(allowed[own], layer[other]) {
				t.Errorf("pkg/%s (L%d) imports pkg/%s (L%d)", name, own, other, layer[other])
			}
		}
	}
}

func TestBinariesLinkOnlyWhatTheyMay(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		for where, banned := range never {
			if path != where && !strings.HasPrefix(path, where+"/") {
				continue
			}
			for _, dep := range p.Deps {
				for _, b := range banned {
					if strings.HasPrefix(dep, b) {
						t.Errorf("%s links %s", path, dep)
					}
				}
			}
		}
	}
}

// Roles are wired in one place.
func TestOnlyAppImportsRoles(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if name == "pkg/app" {
			continue
		}
		for _, i := range p.Imports {
			if role, ok := strings.CutPrefix(i, module+"pkg/"); ok && layer[role] == 3 {
				t.Errorf("%s imports the role pkg/%s: only pkg/app may", name, role)
			}
		}
	}
}

// What a reader of ARCHITECTURE.md sees is the law that is enforced.
func TestArchitectureNamesEveryPackageInItsLayer(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	require.NoError(t, err)
	_, law, found := strings.Cut(string(text), "## Import law")
	require.True(t, found)
	law, _, _ = strings.Cut(law, "\n## ")
	told := map[string]int{}
	for _, m := range regexp.MustCompile("L([0-4])[^`.;]*`([^`]+)`").FindAllStringSubmatch(law, -1) {
		for name := range strings.FieldsSeq(m[2]) {
			told[name] = int(m[1][0] - '0')
		}
	}
	require.Equal(t, layer, told)
	for _, p := range list(t) {
		if name, ok := strings.CutPrefix(p.ImportPath, module+"pkg/"); ok {
			delete(told, name)
		}
	}
	require.Empty(t, told, "packages that are not there")
}
