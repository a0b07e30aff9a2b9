package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/lag"
)

// workers is an admin API with two persisters.
type workers struct {
	moved   []int64 // shard, to
	drained []int64
	refuse  error

	cordoned map[int64]bool
	asked    int // to rebalance
	even     int // looks after which all is spread evenly; 0: it never is
}

func (w *workers) Status(context.Context) (admin.Status, error) {
	started := time.Now().Add(-time.Hour)
	status := admin.Status{
		ServerName: "example.org", DatabaseID: "db-1", SchemaVersion: 3, Horizon: 4096,
		Workers: []admin.Worker{
			{ID: 1, Pod: "p-0", Pool: "p", Roles: []string{"persister"}, State: admin.StateDead, StartedAt: started},
			{ID: 2, Pod: "p-0", Pool: "p", Roles: []string{"persister"}, State: admin.StateLive, Shards: 2, StartedAt: started,
				ExpiresInMS: 2500, Lag: lag.Reading{lag.Persister: {Oldest: 12 * time.Millisecond}}},
			{ID: 3, Pod: "p-1", Pool: "p", Roles: []string{"persister"}, State: admin.StateLive, StartedAt: started},
		},
		Shards: []admin.Shard{
			{ID: 0, Owner: 2, OwnerPod: "p-0", Epoch: 4, Claimed: true},
			{ID: 1, Owner: 2, OwnerPod: "p-0", Epoch: 5, Claimed: true, Target: 3},
		},
	}
	for i := range status.Workers {
		status.Workers[i].Cordoned = w.cordoned[status.Workers[i].ID]
	}
	if w.asked > 0 && w.even > 0 {
		if w.even--; w.even == 0 {
			w.even = 1 // from now on
			status.Shards[1] = admin.Shard{ID: 1, Owner: 3, OwnerPod: "p-1", Epoch: 6, Claimed: true}
		}
	}
	if len(w.drained) > 0 {
		status.Workers[1].State, status.Workers[1].Shards = admin.StateLeaving, 0
	}
	return status, nil
}

func (w *workers) Move(_ context.Context, shard int, to int64) (admin.MoveResult, error) {
	if w.refuse != nil {
		return admin.MoveResult{}, w.refuse
	}
	w.moved = append(w.moved, int64(shard), to)
	return admin.MoveResult{From: 2, To: 3, Epoch: 6}, nil
}

func (w *workers) Drain(_ context.Context, worker int64) error {
	w.drained = append(w.drained, worker)
	return w.refuse
}

func (w *workers) Cordon(_ context.Context, worker int64, cordoned bool) error {
	if w.cordoned == nil {
		w.cordoned = map[int64]bool{}
	}
	w.cordoned[worker] = cordoned
	return w.refuse
}

func (w *workers) Rebalance(context.Context) (admin.Rebalance, error) {
	w.asked++
	return admin.Rebalance{Balancer: 2}, w.refuse
}

// command runs a command line against w.
func command(t *testing.T, w *workers, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e, func(context.Context, target) (api, func(), error) {
		if w == nil {
			return nil, nil, unreachableError(errors.New("no worker could be reached"))
		}
		return w, func() {}, nil
	}, nil)
	return code, o.String(), e.String()
}

func TestStatusTable(t *testing.T) {
	t.Parallel()
	code, out, _ := command(t, &workers{}, "status")
	require.Zero(t, code)
	require.Equal(t, []string{
		"example.org database db-1 schema 3 horizon 4096", "",
		"POOL ROLES LIVE SHARDS", "p persister 2 2", "",
		"WORKER POD STATE SHARDS LAG AGE", "2 p-0 live 2 12ms 1h0m0s", "3 p-1 live 0 - 1h0m0s", "",
		"SHARDS 2 of 2 claimed", "",
		"SHARD OWNER WORKER EPOCH CLAIMED MOVING TO", "1 p-0 2 5 true 3",
	}, lines(out))
	_, out, _ = command(t, &workers{}, "status", "--shards")
	require.Contains(t, lines(out), "0 p-0 2 4 true -")
}

// lines with runs of blanks made one.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		all = append(all, strings.Join(strings.Fields(line), " "))
	}
	return all
}

func TestStatusJSON(t *testing.T) {
	t.Parallel()
	code, out, _ := command(t, &workers{}, "status", "-o", "json")
	require.Zero(t, code)
	var status admin.Status
	require.NoError(t, json.Unmarshal([]byte(out), &status))
	require.Len(t, status.Shards, 2)
}

func TestFailover(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args  []string
		moved []int64
	}{
		"number":      {[]string{"failover", "1"}, []int64{1, 0}},
		"name":        {[]string{"failover", "demo-01"}, []int64{1, 0}},
		"to a pod":    {[]string{"failover", "0", "--to", "p-1"}, []int64{0, 3}},
		"to a number": {[]string{"failover", "0", "--to=2"}, []int64{0, 2}},
		// The pod has restarted: its living worker is meant.
		"to a restarted pod": {[]string{"failover", "0", "--to=p-0"}, []int64{0, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &workers{}
			code, out, errs := command(t, w, test.args...)
			require.Zero(t, code, errs)
			require.Equal(t, test.moved, w.moved)
			require.Contains(t, out, "moved from worker 2 to worker 3, epoch 6")
		})
	}
}

// The name of a shard is that of its homeserver too: another's shard of the same number is not moved in its place.
func TestFailoverByNameFindsTheHomeserver(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args       []string
		homeserver string
		code       int
	}{
		"number":      {[]string{"failover", "1"}, "", exitDone},
		"name":        {[]string{"failover", "a-b-01"}, "a-b", exitDone},
		"both":        {[]string{"failover", "demo-01", "--homeserver=demo"}, "demo", exitDone},
		"kubectl's":   {[]string{"failover", "eventpersistershard.myelin.dev/demo-01"}, "demo", exitDone},
		"short":       {[]string{"failover", "eps/demo-01"}, "demo", exitDone},
		"a pool":      {[]string{"failover", "wp/demo-01"}, "", exitUsage},
		"contradict":  {[]string{"failover", "two-01", "--homeserver=demo"}, "", exitUsage},
		"nameless":    {[]string{"failover", "--", "-1"}, "", exitUsage},
		"not a shard": {[]string{"failover", "1x"}, "", exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked target
			var o, e bytes.Buffer
			w := &workers{}
			code := run(t.Context(), test.args, &o, &e, func(_ context.Context, where target) (api, func(), error) {
				asked = where
				return w, func() {}, nil
			}, nil)
			require.Equal(t, test.code, code, e.String())
			require.Equal(t, test.homeserver, asked.homeserver)
			require.Equal(t, test.code == exitDone, len(w.moved) > 0)
		})
	}
}

func TestDrainWaitsUntilNothingIsOwned(t *testing.T) {
	t.Parallel()
	w := &workers{}
	code, out, _ := command(t, w, "drain", "p-0")
	require.Zero(t, code)
	require.Equal(t, []int64{2}, w.drained)
	require.Equal(t, "worker 2 (p-0) is draining and owns 0 shards\n", out)
}

func TestParseRunsNothing(t *testing.T) {
	t.Parallel()
	require.NoError(t, Parse([]string{"failover", "demo-07", "--to", "p-1", "-n", "chat", "-o", "yaml"}))
	require.NoError(t, Parse([]string{"report", "--file", "/nowhere/at/all"}))
	require.NoError(t, Parse([]string{"completion", "bash"}))
	for _, args := range [][]string{{"dance"}, {"failover"}, {"status", "--loud"}, {"workers", "-o", "xml"}, {"report", "--tail=-1"}} {
		require.Error(t, Parse(args), args)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	refuse := &workers{refuse: &admin.Error{HTTPStatus: http.StatusConflict, Message: "worker 3 is leaving"}}
	broken := &workers{refuse: errors.New("connection reset")}
	for name, test := range map[string]struct {
		workers *workers
		args    []string
		code    int
		says    string
	}{
		"no such command":  {&workers{}, []string{"dance"}, exitUsage, "dance"},
		"no such flag":     {&workers{}, []string{"status", "--loud"}, exitUsage, "--loud"},
		"no such format":   {&workers{}, []string{"status", "-o", "xml"}, exitUsage, "json, yaml, wide"},
		"top too fast":     {&workers{}, []string{"top", "--interval=1ms"}, exitUsage, "100ms"},
		"cordon nobody":    {&workers{}, []string{"cordon", "p-9"}, exitRefused, "p-9"},
		"not even in time": {&workers{}, []string{"rebalance", "--wait=300ms"}, exitFailed, "1 are moving"},
		"no time at all":   {&workers{}, []string{"rebalance", "--wait=-1s"}, exitUsage, "--wait"},
		"no shard":         {&workers{}, []string{"failover"}, exitUsage, "arg"},
		"not a shard":      {&workers{}, []string{"failover", "left"}, exitUsage, "left"},
		"unknown shard":    {&workers{}, []string{"failover", "64"}, exitRefused, "no shard 64"},
		"unknown worker":   {&workers{}, []string{"failover", "0", "--to", "p-9"}, exitRefused, "p-9"},
		"dead worker":      {&workers{}, []string{"drain", "1"}, exitRefused, `"1"`},
		"workers refuse":   {refuse, []string{"failover", "0"}, exitRefused, "worker 3 is leaving"},
		"connection fails": {broken, []string{"drain", "p-0"}, exitFailed, "connection reset"},
		"unreachable":      {nil, []string{"status"}, exitUnreachable, "no worker could be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, errs := command(t, test.workers, test.args...)
			require.Equal(t, test.code, code, errs)
			require.Contains(t, errs, test.says)
		})
	}
}
