package plugin

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/myelin-hs/myelin/pkg/admin"
)

func TestShards(t *testing.T) {
	t.Parallel()
	code, out, _ := command(t, &workers{}, "shards")
	require.Zero(t, code)
	require.Equal(t, []string{"SHARD OWNER WORKER EPOCH CLAIMED MOVING TO", "0 p-0 2 4 true -", "1 p-0 2 5 true 3"}, lines(out))
	_, out, _ = command(t, &workers{}, "shards", "--unsettled")
	require.Len(t, lines(out), 2)
	_, out, _ = command(t, &workers{}, "shards", "--unsettled", "-o", "json")
	var shards []admin.Shard
	require.NoError(t, json.Unmarshal([]byte(out), &shards))
	require.Equal(t, 1, shards[0].ID)
}

func TestWorkers(t *testing.T) {
	t.Parallel()
	_, out, _ := command(t, &workers{}, "workers")
	require.Equal(t, []string{"WORKER POD STATE SHARDS LAG AGE", "2 p-0 live 2 12ms 1h0m0s", "3 p-1 live 0 - 1h0m0s"}, lines(out))
	_, out, _ = command(t, &workers{}, "workers", "-o", "wide")
	require.Len(t, lines(out), 4, "the dead too")
	require.Contains(t, out, "HEARTBEAT")
	require.Equal(t, "overdue by 1.5s", heartbeat(admin.Worker{State: admin.StateLive, ExpiresInMS: -1500}))
}

func TestFormats(t *testing.T) {
	t.Parallel()
	_, out, _ := command(t, &workers{}, "status", "-o", "yaml")
	var status admin.Status
	require.NoError(t, yaml.UnmarshalStrict([]byte(out), &status))
	require.Len(t, status.Workers, 3)
	_, out, _ = command(t, &workers{}, "status", "-o", "wide")
	require.Contains(t, lines(out), "0 p-0 2 4 true -", "wide lists every shard")
	code, out, _ := command(t, &workers{}, "failover", "1", "-o", "yaml")
	require.Zero(t, code)
	require.Equal(t, "epoch: 6\nfrom: 2\nto: 3\n", out)
}

func TestTopShowsWhatChangedSinceTheLastLook(t *testing.T) {
	t.Parallel()
	code, out, errs := command(t, &workers{}, "top", "--count=2", "--interval=100ms")
	require.Zero(t, code, errs)
	require.Equal(t, 2, strings.Count(out, "WORKER  POD"))
	require.NotContains(t, out, clearScreen, "it is no terminal")

	before := admin.Status{Horizon: 5 << 10, Shards: []admin.Shard{{ID: 0, Epoch: 1, Owner: 1, Claimed: true}, {ID: 1, Epoch: 4, Owner: 1, Claimed: true}}}
	now := admin.Status{ServerName: "a.example", Horizon: 25<<10 | 7, Shards: []admin.Shard{{ID: 0, Epoch: 2, Owner: 2}, {ID: 1, Epoch: 4, Owner: 1, Claimed: true}}}
	text := frame(&before, now, 2*time.Second, false, time.Now())
	require.Contains(t, text, "a.example  blocks 10.0/s  shards 1 of 2 claimed  moved since the last look 1\n")
	require.Contains(t, lines(text), "0 - 2 2 false -")
	require.Contains(t, frame(nil, now, time.Second, false, time.Now()), "blocks -  ")
}

// A shell asks with the words so far; answers are lines, the last of which is for the shell.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		has  []string
	}{
		"commands":  {[]string{""}, []string{"status", "shards", "workers", "top", "failover", "drain", "cordon", "uncordon", "rebalance", "report", "completion"}},
		"shards":    {[]string{"failover", ""}, []string{"0", "1"}},
		"to":        {[]string{"failover", "1", "--to", ""}, []string{"p-0", "p-1"}},
		"workers":   {[]string{"drain", ""}, []string{"p-0", "p-1"}},
		"cordon":    {[]string{"cordon", ""}, []string{"p-0", "p-1"}},
		"formats":   {[]string{"status", "-o", ""}, []string{"json", "yaml", "wide"}},
		"no second": {[]string{"drain", "p-0", ""}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := command(t, &workers{}, append([]string{"__complete"}, test.args...)...)
			require.Zero(t, code, errs)
			var words []string
			for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
				if word, _, _ := strings.Cut(line, "\t"); !strings.HasPrefix(word, ":") {
					words = append(words, word)
				}
			}
			for _, word := range test.has {
				require.Contains(t, words, word)
			}
			if test.has == nil {
				require.Empty(t, slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(w, "Completion ended") }))
			}
		})
	}
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "kubectl"), []byte("#!/bin/sh\necho \"$@\"\n"), 0o755))
	script := exec.Command("../kubectl_complete-myelin", "drain", "")
	script.Env = []string{"PATH=" + bin + ":/bin:/usr/bin"}
	asked, err := script.Output()
	require.NoError(t, err)
	require.Equal(t, "myelin __complete drain \n", string(asked), "what kubectl runs asks this plugin")
	code, out, _ := command(t, &workers{}, "completion", "bash")
	require.Zero(t, code)
	require.Contains(t, out, "__complete")
}
