package redistest

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/network/porttest"
)

// Cluster is a Redis Cluster of three masters, each with a copy. It asks for ServerPassword.
type Cluster struct {
	// Nodes are the masters, and then, in the same order, their copies.
	Nodes [6]*Server
}

const slots = 16384

// StartCluster starts a cluster and waits until all of it agrees.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{}
	var clients [6]*redis.Client
	var busPorts [6]int
	for i := range c.Nodes {
		var err error
		busPorts[i], err = porttest.Reserve()
		require.NoError(t, err)
		c.Nodes[i] = start(t, &Server{password: ServerPassword, config: []string{
			"--requirepass", ServerPassword, "--masterauth", ServerPassword,
			"--cluster-enabled", "yes", "--cluster-config-file", filepath.Join(ownDir(t), "nodes.conf"),
			"--cluster-port", strconv.Itoa(busPorts[i]), "--cluster-node-timeout", "1000",
			"--repl-diskless-load", "on-empty-db", "--repl-ping-replica-period", "1", "--cluster-replica-validity-factor", "0",
		}})
		clients[i] = c.Nodes[i].Client(t)
	}
	ctx := t.Context()
	for i, client := range clients {
		require.NoError(t, client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		if i < 3 {
			require.NoError(t, client.ClusterAddSlotsRange(ctx, i*slots/3, (i+1)*slots/3-1).Err())
		}
		if i > 0 {
			require.NoError(t, clients[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", c.Nodes[i].port, busPorts[i]).Err())
		}
	}
	c.agree(t, clients[:], func(nodes string) bool {
		return strings.Count(nodes, "connected") == 6 && !strings.Contains(nodes, "handshake")
	})
	for i, client := range clients[3:] {
		id, err := clients[i].ClusterMyID(ctx).Result()
		require.NoError(t, err)
		require.NoError(t, client.ClusterReplicate(ctx, id).Err())
	}
	c.agree(t, clients[:], func(nodes string) bool { return strings.Count(nodes, "slave") == 3 })
	for _, client := range clients[3:] {
		eventually(t, "a copy is up to date", func(ctx context.Context) bool {
			text, err := client.Info(ctx, "replication").Result()
			return err == nil && strings.Contains(text, "master_link_status:up")
		})
	}
	return c
}

func (c *Cluster) agree(t testing.TB, clients []*redis.Client, ok func(nodes string) bool) {
	t.Helper()
	for _, client := range clients {
		eventually(t, "the nodes agree", func(ctx context.Context) bool {
			nodes, err := client.ClusterNodes(ctx).Result()
			info, ierr := client.ClusterInfo(ctx).Result()
			return err == nil && ierr == nil && strings.Contains(info, "cluster_state:ok") && ok(nodes)
		})
	}
}

// URI names some of the nodes. It holds no password.
func (c *Cluster) URI() string {
	return "redis+cluster://" + c.Nodes[0].Addr() + "," + c.Nodes[1].Addr()
}
