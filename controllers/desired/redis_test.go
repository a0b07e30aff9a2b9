package desired_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/pkg/bus"
)

// What the operator makes of the parts is what a worker can read.
func TestWorkersUnderstandRedisParts(t *testing.T) {
	t.Parallel()
	for want, parts := range map[string]v1alpha1.RedisParts{
		"redis://a:1/0": {Mode: v1alpha1.RedisStandalone, Hosts: []v1alpha1.RedisHost{"a:1"}, TLS: v1alpha1.RedisTLSDisable},
		"rediss+sentinel://m%20y%3A%2F@a.example:26379,[2001:db8::1]:26379/3?master=c.a-c_he": {
			Mode: v1alpha1.RedisSentinel, Hosts: []v1alpha1.RedisHost{"a.example:26379", "[2001:db8::1]:26379"}, MasterName: "c.a-c_he",
			TLS: v1alpha1.RedisTLSVerifyFull, Database: 3, Username: "m y:/",
		},
		"redis+cluster://a:1,b:2/0": {Mode: v1alpha1.RedisCluster, Hosts: []v1alpha1.RedisHost{"a:1", "b:2"}},
	} {
		hs := homeserver()
		hs.Spec.Redis = v1alpha1.Redis{Parts: &parts}
		uri := desired.HomeserverOf(hs).Redis.URI
		require.Equal(t, want, uri)
		b, err := bus.Open(bus.Options{URI: bus.At(uri)})
		require.NoError(t, err, uri)
		require.NoError(t, b.Close())
	}
}
