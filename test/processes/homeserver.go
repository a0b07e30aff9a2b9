package processes

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/network/porttest"
)

// Credential is what the workers share, and SharedSecret lets a test register accounts.
const (
	Credential   = "a credential for tests of 32 bytes"
	SharedSecret = "a shared secret for tests"
)

// Build builds the worker into dir, with flags of `go build`, and returns its path.
func Build(dir string, flags ...string) (string, error) {
	binary := filepath.Join(dir, "worker")
	args := append(append([]string{"build", "-o", binary}, flags...), "github.com/myelin-hs/myelin/cmd/worker")
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the worker: %w\n%s", err, out)
	}
	return binary, nil
}

// A Homeserver is what all of its workers are told.
type Homeserver struct {
	Binary, ServerName string
	// PostgresURI and RedisURI are what a worker gets that has none of its own. An empty RedisURI is for a single worker.
	PostgresURI, RedisURI string
	// Log gets a worker's output.
	Log func(worker string) io.Writer

	dir string
	n   int
}

// New writes the files that the workers need below dir.
func New(binary, dir, serverName string) (*Homeserver, error) {
	key, err := exec.Command(binary, "generate-signing-key").Output()
	if err != nil {
		return nil, fmt.Errorf("generate a signing key: %w", err)
	}
	for name, text := range map[string]string{"credential": Credential, "signing.key": string(key), "shared-secret": SharedSecret} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return &Homeserver{Binary: binary, ServerName: serverName, dir: dir}, nil
}

func (h *Homeserver) file(name string) string { return filepath.Join(h.dir, name) }

// Prepare makes a worker that has not been started.
func (h *Homeserver) Prepare(roles string) (*Worker, error) {
	h.n++
	w := &Worker{
		Name: fmt.Sprintf("%s-%d", strings.ReplaceAll(roles, ",", "-"), h.n), Roles: roles, Binary: h.Binary,
		PostgresURI: h.PostgresURI, RedisURI: h.RedisURI,
	}
	for _, addr := range []*string{&w.Public, &w.Internal, &w.Probe} {
		port, err := porttest.Reserve()
		if err != nil {
			return nil, err
		}
		*addr = fmt.Sprintf("127.0.0.1:%d", port)
	}
	w.Advertise = w.Internal
	return w, nil
}

// Spread reports whether the shards are claimed and spread evenly over the workers.
func Spread(s admin.Status, over ...*Worker) bool {
	counts := map[string]int{}
	for _, shard := range s.Shards {
		if !shard.Claimed || shard.Target != 0 {
			return false
		}
		counts[shard.OwnerPod]++
	}
	for _, w := range over {
		if n := counts[w.Name]; n < len(s.Shards)/len(over) || n > len(s.Shards)/len(over)+1 {
			return false
		}
	}
	return len(counts) == len(over)
}
