package redistest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/network/porttest"
)

// MasterName is the name under which Sentinels know their servers.
const MasterName = "test"

// Watched are two servers, the one a copy of the other, and two Sentinels that promote the copy once the other is gone.
// Servers and Sentinels ask for passwords.
type Watched struct {
	Servers [2]*Server // the first is the master at the start
	addrs   []string
}

// Passwords of Watched.
const (
	ServerPassword   = "of the servers"
	SentinelPassword = "of the sentinels"
)

// StartWatched starts them and waits until a failover could happen.
func StartWatched(t testing.TB) *Watched {
	t.Helper()
	w := &Watched{}
	w.Servers[0] = start(t, &Server{password: ServerPassword, config: []string{"--requirepass", ServerPassword, "--masterauth", ServerPassword}})
	w.Servers[1] = start(t, &Server{password: ServerPassword, config: []string{
		"--requirepass", ServerPassword, "--masterauth", ServerPassword, "--replicaof", "127.0.0.1 " + strconv.Itoa(w.Servers[0].port),
		"--repl-diskless-load", "on-empty-db", "--repl-ping-replica-period", "1",
	}})
	for range 2 {
		w.sentinel(t)
	}
	for _, addr := range w.addrs {
		c := redis.NewSentinelClient(&redis.Options{Addr: addr, Password: SentinelPassword})
		defer c.Close()
		eventually(t, "the Sentinel at "+addr+" knows all", func(ctx context.Context) bool {
			m, err := c.Master(ctx, MasterName).Result()
			return err == nil && m["num-slaves"] == "1" && m["num-other-sentinels"] == "1" && m["flags"] == "master"
		})
	}
	return w
}

func (w *Watched) sentinel(t testing.TB) {
	t.Helper()
	port, err := porttest.Reserve()
	require.NoError(t, err)
	dir := ownDir(t)
	file := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf(`port %d
bind 127.0.0.1
dir %s
requirepass "%s"
sentinel monitor %s 127.0.0.1 %d 1
sentinel auth-pass %s "%s"
sentinel down-after-milliseconds %s 500
sentinel failover-timeout %s 3000
`, port, dir, SentinelPassword, MasterName, w.Servers[0].port, MasterName, ServerPassword, MasterName, MasterName)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(file, nobody, nobody))
	}
	stop, err := run(dir, []string{file, "--sentinel"})
	require.NoError(t, err)
	t.Cleanup(stop)
	w.addrs = append(w.addrs, "127.0.0.1:"+strconv.Itoa(port))
}

// URI leads to the master by way of the Sentinels. It holds no password.
func (w *Watched) URI() string {
	return "redis+sentinel://" + strings.Join(w.addrs, ",") + "/0?master=" + MasterName
}

// eventually waits until ok; the limit only ends a hang.
func eventually(t testing.TB, what string, ok func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok(ctx) {
		select {
		case <-ctx.Done():
			require.FailNow(t, "it never happened: "+what)
		case <-tick.C:
		}
	}
}
