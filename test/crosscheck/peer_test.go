// Package crosscheck compares canonical JSON, signatures, hashes and redaction with an implementation that is not ours:
// Debian's python3-canonicaljson and python3-signedjson, in one process that is asked over its pipes.
package crosscheck

import (
	"bufio"
	"encoding/json"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	seed   = flag.Uint64("seed", uint64(time.Now().UnixNano()), "what the values are generated from; a failure tells it")
	values = flag.Int("values", 2000, "how many `values` each test generates")
)

// pythons are where Debian's packages may be found; a python3 that comes first in the PATH may be another.
var pythons = []string{"/usr/bin/python3", "python3"}

const packages = "python3-canonicaljson python3-signedjson"

// A peer is the Python process. One goroutine may use it.
type peer struct {
	t      *testing.T
	stdin  io.Writer
	answer *bufio.Reader
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	python := findPython(t)
	cmd := exec.CommandContext(t.Context(), python, "peer.py")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // the context has ended it
	})
	return &peer{t, stdin, bufio.NewReader(stdout)}
}

func findPython(t *testing.T) string {
	for _, python := range pythons {
		if exec.CommandContext(t.Context(), python, "-c", "import canonicaljson, signedjson.sign").Run() == nil {
			return python
		}
	}
	if os.Getenv("CI") != "" {
		require.Fail(t, "Debian's packages are missing: "+packages)
	}
	t.Skip("SKIP: Debian's packages are missing, make setup installs them: " + packages)
	return ""
}

// A question to the peer.
type question struct {
	Ask         string `json:"ask"`
	Raw         []byte `json:"raw"`
	Strict      bool   `json:"strict"`
	RoomVersion string `json:"room_version,omitempty"`
	Server      string `json:"server,omitempty"`
	KeyVersion  string `json:"key_version,omitempty"`
	Seed        string `json:"seed,omitempty"`
	Public      string `json:"public,omitempty"`
}

// An answer of the peer. Refusal says why it holds nothing else.
type answer struct {
	Refusal       string `json:"refusal"`
	Out           []byte `json:"out"`
	Redacted      []byte `json:"redacted"`
	ContentHash   string `json:"content_hash"`
	ReferenceHash string `json:"reference_hash"`
}

func (p *peer) ask(q question) answer {
	p.t.Helper()
	line, err := json.Marshal(q)
	require.NoError(p.t, err)
	_, err = p.stdin.Write(append(line, '\n'))
	require.NoError(p.t, err)
	reply, err := p.answer.ReadBytes('\n')
	require.NoError(p.t, err, "the answer to %s", line)
	var a answer
	require.NoError(p.t, json.Unmarshal(reply, &a))
	return a
}

// newGenerator makes the values of one test. No two tests get the same.
func newGenerator(t *testing.T) *generator {
	t.Logf("-seed=%d -values=%d", *seed, *values)
	var name uint64
	for _, c := range t.Name() {
		name = name*31 + uint64(c)
	}
	return &generator{r: rand.New(rand.NewPCG(*seed, name))}
}
