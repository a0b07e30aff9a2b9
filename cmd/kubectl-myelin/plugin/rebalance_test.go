package plugin

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
)

func TestCordonAndUncordon(t *testing.T) {
	t.Parallel()
	w := &workers{}
	code, out, errs := command(t, w, "cordon", "p-0")
	require.Zero(t, code, errs)
	require.Equal(t, "worker 2 (p-0) is cordoned: it keeps 2 shards and gets no others\n", out)
	require.Equal(t, map[int64]bool{2: true}, w.cordoned)
	_, out, _ = command(t, w, "workers")
	require.Contains(t, lines(out), "2 p-0 live,cordoned 2 12ms 1h0m0s")
	code, out, errs = command(t, w, "uncordon", "2", "-o", "json")
	require.Zero(t, code, errs)
	require.Equal(t, map[int64]bool{2: false}, w.cordoned)
	var worker admin.Worker
	require.NoError(t, json.Unmarshal([]byte(out), &worker))
	require.False(t, worker.Cordoned)
}

func TestRebalanceWaitsAndShowsWhatMoved(t *testing.T) {
	t.Parallel()
	w := &workers{even: 2}
	code, out, errs := command(t, w, "rebalance")
	require.Zero(t, code, errs)
	require.Equal(t, 1, w.asked)
	require.Equal(t, []string{"1 of 2 shards moved", "", "SHARD FROM TO EPOCH", "1 p-0 p-1 6"}, lines(out))

	_, out, _ = command(t, &workers{even: 1}, "rebalance", "-o", "json")
	var moved []shardMove
	require.NoError(t, json.Unmarshal([]byte(out), &moved))
	require.Equal(t, []shardMove{{1, "p-0", "p-1", 6}}, moved)

	code, out, _ = command(t, &workers{}, "rebalance", "--wait=0")
	require.Zero(t, code)
	require.Equal(t, "the balancer has been asked\n", out)
}

func TestEvenIsByWhatTheBalancerSpreads(t *testing.T) {
	t.Parallel()
	persister := func(id int64, state string, cordoned bool) admin.Worker {
		return admin.Worker{ID: id, State: state, Cordoned: cordoned, Roles: []string{"client", "persister"}}
	}
	shards := func(owners ...int64) (all []admin.Shard) {
		for i, o := range owners {
			all = append(all, admin.Shard{ID: i, Owner: o, Claimed: true})
		}
		return all
	}
	for name, test := range map[string]struct {
		status admin.Status
		says   string
	}{
		"even":      {admin.Status{Workers: []admin.Worker{persister(1, "live", false), persister(2, "live", false)}, Shards: shards(1, 1, 2)}, ""},
		"not even":  {admin.Status{Workers: []admin.Worker{persister(1, "live", false), persister(2, "live", false)}, Shards: shards(1, 1, 1, 2)}, "one worker owns 3, another 1"},
		"cordoned":  {admin.Status{Workers: []admin.Worker{persister(1, "live", true), persister(2, "live", false)}, Shards: shards(1, 1, 1, 2)}, ""},
		"gateways":  {admin.Status{Workers: []admin.Worker{persister(1, "live", false), {ID: 2, State: "live", Roles: []string{"gateway"}}}, Shards: shards(1, 1)}, ""},
		"nobody":    {admin.Status{Workers: []admin.Worker{persister(1, "live", true)}, Shards: shards(1)}, "no live event persister"},
		"unclaimed": {admin.Status{Workers: []admin.Worker{persister(1, "live", false)}, Shards: []admin.Shard{{Owner: 1}}}, "1 are moving"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.says == "" {
				require.Empty(t, whyUneven(test.status))
				return
			}
			require.Contains(t, whyUneven(test.status), test.says)
		})
	}
}
