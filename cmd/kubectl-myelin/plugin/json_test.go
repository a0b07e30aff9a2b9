package plugin

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Scripts read what -o json writes: a key that was there once stays, by its name. More may come.
func TestKeysOfJSONStay(t *testing.T) {
	t.Parallel()
	const worker = "addr cordoned expires_in_ms id pod pool roles shards started_at state"
	const status = "database_id generation horizon schema_version server_name shards workers"
	const shard = "claimed epoch id owner owner_pod target"
	for words, want := range map[string]string{
		"status":              status,
		"top --count 1":       status,
		"workers":             worker,
		"shards":              shard,
		"drain p-0":           worker,
		"cordon p-0":          worker,
		"failover 1":          "epoch from to",
		"rebalance --wait 1m": "epoch from shard to",
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			code, out, errs := command(t, &workers{even: 1}, append(strings.Fields(words), "-o", "json")...)
			require.Zero(t, code, errs)
			found := map[string]bool{}
			var object map[string]any
			if strings.HasPrefix(out, "[") {
				var list []map[string]any
				require.NoError(t, json.Unmarshal([]byte(out), &list))
				for _, x := range list { // a key that is empty may be left out
					for key := range x {
						found[key] = true
					}
				}
			} else {
				require.NoError(t, json.Unmarshal([]byte(out), &object))
				for key := range object {
					found[key] = true
				}
			}
			require.Subset(t, slices.Collect(maps.Keys(found)), strings.Fields(want))
		})
	}
}
