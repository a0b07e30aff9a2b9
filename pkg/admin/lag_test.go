package admin_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/lag"
)

func TestALagPoolHasTheWorkersOfThePoolThatAreNotDead(t *testing.T) {
	t.Parallel()
	var s admin.Status
	require.NoError(t, json.Unmarshal([]byte(`{"workers": [
		{"id": 1, "pod": "w-0", "pool": "writers", "state": "live", "expires_in_ms": 2500, "age_ms": 60000,
		 "lag": {"persister": {"ms": 700, "shards": [700, 20]}}},
		{"id": 2, "pod": "w-1", "pool": "writers", "state": "leaving", "expires_in_ms": 2500, "age_ms": 60000, "lag": {"persister": {"ms": 0}}},
		{"id": 3, "pod": "w-2", "pool": "writers", "state": "live", "expires_in_ms": -1},
		{"id": 4, "pod": "w-3", "pool": "writers", "state": "dead"},
		{"id": 5, "pod": "r-0", "pool": "readers", "state": "live", "expires_in_ms": 2500}]}`), &s))
	ms := time.Millisecond
	require.Equal(t, lag.Pool{Wanted: 3, Roles: []string{"persister"}, Workers: []lag.Worker{
		{Name: "w-0", Age: time.Minute, Reading: lag.Reading{"persister": lag.Sharded([]time.Duration{700 * ms, 20 * ms})}},
		{Name: "w-1", Age: time.Minute, Leaving: true, Reading: lag.Reading{"persister": {}}},
		{Name: "w-2", Overdue: true},
	}}, s.LagPool("writers", []string{"persister"}, 3))

	serves := admin.Shard{ID: 1, Owner: 1, Claimed: true}
	for name, c := range map[string]struct {
		shard admin.Shard
		moves bool
	}{
		"served":                      {admin.Shard{ID: 2, Owner: 2, Claimed: true}, false},
		"nobody's":                    {admin.Shard{ID: 2}, true},
		"given, and not yet served":   {admin.Shard{ID: 2, Owner: 2}, true},
		"served, and to be another's": {admin.Shard{ID: 2, Owner: 1, Claimed: true, Target: 2}, true},
	} {
		s.Shards = []admin.Shard{serves, c.shard}
		require.Equal(t, c.moves, s.LagPool("writers", nil, 3).Moving, name)
	}

	_, err := s.LagPool("nobody", []string{"sync"}, 1).Signal(time.Second)
	require.ErrorIs(t, err, lag.ErrUnknown, "a build that does not know the pool, or does not tell, makes it unknown")
}
